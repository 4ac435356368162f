--- The whole gallery of broken tenants.

local gallery = require "doctor_gallery"

gallery.show(describe, it, { setup = setup, teardown = teardown }, 1)
