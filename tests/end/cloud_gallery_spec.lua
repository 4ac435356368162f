--- Some of the gallery of broken set-ups with Devolutions Cloud; all of it is among the long tests.

local gallery = require "cloud_gallery"

gallery.show(describe, it, { setup = setup, teardown = teardown, pending = pending }, 9)
