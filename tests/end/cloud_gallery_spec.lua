-- takes 7 s: each case starts an emulator and runs the program several times
--- Some of the gallery of broken set-ups with Devolutions Cloud; all of it is among the long tests.

local gallery = require "cloud_gallery"

gallery.show(describe, it, { setup = setup, teardown = teardown }, 9)
