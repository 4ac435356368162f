--- The whole gallery of broken set-ups with Devolutions Cloud.

local gallery = require "cloud_gallery"

gallery.show(describe, it, { setup = setup, teardown = teardown, pending = pending }, 1)
