--- The bytes of a secret, for tests only: by way of a file, since nothing in Lua can read one.

local sys = require "host.sys"

return function(secret)
  local folder = assert(sys.temporary("reveal"))
  assert(sys.write(folder .. "/secret", secret, "new"))
  local bytes = assert(sys.read(folder .. "/secret", 1 << 20))
  assert(sys.remove_tree(folder))
  return bytes
end
