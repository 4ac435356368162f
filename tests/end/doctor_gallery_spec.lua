--- Some of the gallery of broken tenants; all of it is among the long tests.

local gallery = require "doctor_gallery"

gallery.show(describe, it, { setup = setup, teardown = teardown }, 11)
