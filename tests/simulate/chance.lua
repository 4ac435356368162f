--- Chance instead of randomness: what our program draws follows from the seed too.

local crypto = require "host.crypto"
local secret = require "host.secret"

local M = {}

local random, generate = crypto.random, secret.generate

local ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!#%*+-"

--- Draw from these dice from now on.
---@param source simulate.dice
function M.use(source)
  crypto.random = function(count) return source:bytes(count) end
  secret.generate = function(length)
    local letters = { "a", "B", "7", "!" }
    for i = 5, length do
      local place = source:between(1, #ALPHABET)
      letters[i] = ALPHABET:sub(place, place)
    end
    return secret.from(table.concat(letters))
  end
  math.randomseed(source:between(1, 1 << 30))
end

--- Draw as ever.
function M.restore() crypto.random, secret.generate = random, generate end

return M
