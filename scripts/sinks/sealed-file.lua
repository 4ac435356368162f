--- A sink: a file that only the holder of a private key can open, in a folder that the profile names. The file cannot
--- be read back here, so storing the secret does not show that it is in use.
--
-- Its holder opens it with another tool, by the kind of recipient in the file `to`:
--   a certificate with an RSA key, in PEM (CMS):     openssl cms -decrypt -inform PEM -inkey KEY -in FILE
--   a recipient of age, age1… (of age-keygen):       age -d -i IDENTITY FILE

local folder = require "folder"

-- The name of the file: one for each rotation of an application.
local function file_name(item) return ("%s-%s.sealed"):format(item.client_id, item.rotation) end

return {
  summary = "Store secrets in files that only the holder of a private key opens",
  args = {
    to = { type = "string", required = true, help = "a file with a certificate in PEM, or with a recipient of age" },
    folder = { type = "string", required = true, help = "the name that the profile gives the folder" },
  },
  needs = { files = { "{folder}" } },
  can = {},

  where = function(args, item)
    return item.rotation and ("%s/%s"):format(args.folder, file_name(item)) or args.folder
  end,

  store = function(args, item, value)
    if folder.read(args.folder, file_name(item)) then return end -- an earlier run wrote it
    folder.write_sealed(args.folder, file_name(item), value, args.to)
  end,
}
