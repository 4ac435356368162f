--- Chance that can be repeated: a sequence of numbers from a seed.

local M = {}

---@class simulate.dice
---@field state integer
local Dice = {}
Dice.__index = Dice

--- Dice of a seed.
---@param seed integer
---@return simulate.dice
function M.new(seed)
  return setmetatable({ state = seed * 0x9E3779B97F4A7C15 + 1 }, Dice)
end

-- Sixty-four more bits (splitmix64).
local function next_bits(self)
  self.state = self.state + 0x9E3779B97F4A7C15
  local z = self.state
  z = (z ~ z >> 30) * 0xBF58476D1CE4E5B9
  z = (z ~ z >> 27) * 0x94D049BB133111EB
  return z ~ z >> 31
end

--- A number from 0 to below 1.
---@return number
function Dice:fraction() return (next_bits(self) >> 11) / 2 ^ 53 end

--- A whole number between these two.
---@param low integer
---@param high integer
---@return integer
function Dice:between(low, high) return low + math.floor(self:fraction() * (high - low + 1)) end

--- Yes, that often.
---@param chance number
---@return boolean
function Dice:yes(chance) return self:fraction() < chance end

--- One of these.
---@param list any[]
---@return any
function Dice:pick(list) return list[self:between(1, #list)] end

--- So many bytes.
---@param count integer
---@return string
function Dice:bytes(count)
  local list = {}
  for i = 1, count do list[i] = string.char(self:between(0, 255)) end
  return table.concat(list)
end

return M
