--- What others do meanwhile: strangers who set passwords, admins who rename and disable
--- people, take rights away and tidy up the vault, a disk that fills, a clock that jumps,
--- and a person who says: go on.

local json = require "host.json"
local secret = require "host.secret"

local M = {}

local ROLE = "Privileged Authentication Administrator"

---------------------------------------------------------------------------
-- Passwords

--- A password of ours leaves: somebody else may set one soon before it is answered, or after.
---@param world simulate.world
---@param sending simulate.sending
function M.on_sent(world, sending)
  if world.calm then return end
  if world.spice.resume and world.dice:yes(0.3) then M.pass_over(world, sending) end
  if not world.spice.strangers or not world.dice:yes(0.3) then return end
  local range = world.dice:pick { { 0, 0.5 }, { 0, 2 }, { 1, 5 }, { 3, 145 }, { 3, 145 }, { 150, 400 } }
  local after = range[1] + world.dice:fraction() * (range[2] - range[1])
  local force = world.dice:yes(0.3)
  world.timeline:after(after, function() world.truth:stranger(sending.user, force) end)
end

local MEANWHILE = {}

function MEANWHILE.strangers(world) world.truth:stranger(world.dice:pick(world.truth.list), world.dice:yes(0.3)) end

---------------------------------------------------------------------------
-- People

local function rename(world, user)
  local row = world.cloud.tenant.users:newest(user.id)
  user.renamed = (user.renamed or 0) + 1
  local name = ("%s-%d@%s"):format(user.name, user.renamed, world.cloud.tenant.domain)
  user.names[name:lower()] = true
  world:note("%s is called %s from now on", row.userPrincipalName, name)
  world.cloud.tenant.users:change(user.id, { userPrincipalName = name })
end

local function disable(world, user)
  world:note("%s is disabled", user.name)
  world.cloud.tenant.users:change(user.id, { accountEnabled = false })
  user.away = "disabled"
end

local function leave(world, user)
  world:note("%s leaves the group", user.name)
  world.cloud.tenant:change_members(world.group, user.id, false)
  user.away = "left"
end

local function delete(world, user)
  world:note("%s is deleted", user.name)
  world.cloud.tenant:bury("user", world.cloud.tenant.users:newest(user.id))
  user.away = "deleted"
end

--- Have somebody back who was away.
---@param world simulate.world
---@param user simulate.user
function M.bring_back(world, user)
  local tenant, away = world.cloud.tenant, user.away
  if away == "gone" or away == "deleted" and not tenant.deleted:newest(user.id) then
    user.away = "gone" -- deleted more than 30 days ago
    return
  end
  user.away = nil
  world:note("%s is back", user.name)
  if away == "disabled" then return tenant.users:change(user.id, { accountEnabled = true }) end
  if away == "deleted" then tenant:exhume(tenant.deleted:newest(user.id)) end
  tenant:change_members(world.group, user.id, true)
end

function MEANWHILE.people(world)
  local user = world.dice:pick(world.truth.list)
  if user.away then return M.bring_back(world, user) end
  world.dice:pick { rename, rename, disable, leave, delete }(world, user)
end

---------------------------------------------------------------------------
-- Entries

local TIDY = {}

function TIDY.annotate(entry) entry.description = entry.description .. "\nTicket 4711." end
function TIDY.rewrite(entry) entry.description = "Ask Anna before you use it." end
function TIDY.move(entry) entry.path = "Elsewhere" end
function TIDY.rename(entry) entry.name = entry.name .. " (old)" end
function TIDY.untag(entry) entry.tags = json.array {} end
function TIDY.delete(entry, vault) vault:remove(entry.id) end

function TIDY.overwrite(entry)
  entry.data.password = secret.from "written by hand, 1"
end

local WAYS = { "annotate", "annotate", "rewrite", "move", "rename", "untag", "delete", "overwrite" }

function MEANWHILE.entries(world)
  local user = world.dice:pick(world.truth.list)
  local list = world.truth:entries(user, world.dice:yes(0.4))
  if #list == 0 then return end
  local way = world.dice:pick(WAYS)
  local entry = world.dice:pick(list)
  world:note("somebody does this to the entry '%s': %s", entry.name, way)
  world.truth:tamper(entry, TIDY[way])
end

---------------------------------------------------------------------------
-- Rights, disks, clocks

local RIGHTS = { "role", "role", "edit", "add", "delete", "view_password" }

local function give(world, right, back)
  if right ~= "role" then return world.cloud.server:permit(right, back) end
  if not back then return world.cloud.tenant:remove_role(world.cloud.app.principal, ROLE) end
  world.cloud.tenant:assign_role(world.cloud.app.principal, ROLE)
end

function MEANWHILE.rights(world)
  if world.withdrawn then return end
  local right = world.dice:pick(RIGHTS)
  world.withdrawn = right
  world:note("a right is withdrawn: %s", right)
  give(world, right, false)
  world.timeline:after(world.dice:pick { 3, 60, 3600, 40000 }, function() M.give_back(world) end)
end

--- What was withdrawn is given back.
---@param world simulate.world
function M.give_back(world)
  if not world.withdrawn then return end
  world:note("the right is given back: %s", world.withdrawn)
  give(world, world.withdrawn, true)
  world.withdrawn = nil
end

function MEANWHILE.disk(world)
  local one = world.dice:pick(world.installations)
  world:note("the disk of %s is full", one.name)
  one.full = true
  world.timeline:after(world.dice:pick { 20, 4000 }, function() one.full = false end)
end

local STEPS = { -600, -100, -20, -5, -3, -1.5, 1.5, 3, 5, 20, 100, 600 }

function MEANWHILE.steps(world)
  local one = world.dice:pick(world.installations)
  local step = world.dice:pick(STEPS)
  world:note("the clock of %s jumps by %s s", one.name, step)
  one.skew = one.skew + step
  world.timeline:after(world.dice:pick { 10, 600, 5000 }, function() one.skew = one.skew - step end)
end

---------------------------------------------------------------------------
-- A person

--- A person has looked at an account, and tells an installation to go on.
---@param world simulate.world
---@param one simulate.installation
---@param user simulate.user
---@param over string? the marker of a pending entry to be passed over
function M.resume(world, one, user, over)
  if one.run or user.away == "deleted" or user.away == "gone" then return end
  world:note("a person tells %s to go on with %s%s", one.name, user.name, over and " over " .. over or "")
  one:start(world, function(library, run)
    library.require("rotation.resume_and_close").resume(run.journal, world:name_of(user), over)
  end, { ended = function(run)
    if not run.process.ok then
      world:note("which fails: %s", tostring(run.process.result):gsub("%s+", " "))
      return world:judge_error(run.process.result)
    end
    user.resumed[one.name] = world:now()
    if over then user.passed[one.name .. over] = "now" end
  end })
end

-- With the marker of what is in the way, if there is anything.
local function resume_one(world, one, user)
  local maker = ("%s, life %d"):format(one.name, one.life)
  for _, entry in ipairs(world.truth:entries(user, true)) do
    local marker = tostring(entry.description):match("ml:%x+:%x+")
    if marker and world.truth:maker(entry).maker ~= maker then return M.resume(world, one, user, marker) end
  end
  M.resume(world, one, user)
end

function MEANWHILE.resume(world)
  resume_one(world, world.dice:pick(world.installations), world.dice:pick(world.truth.list))
end

--- While a password of one installation is on its way, a person tells another, which then runs.
---@param world simulate.world
---@param sending simulate.sending
function M.pass_over(world, sending)
  local one = world.dice:pick(world.installations)
  if one == sending.run.installation then return end
  world.timeline:after(world.dice:fraction() * world.dice:pick { 2, 30, 140 }, function()
    if world.calm then return end
    resume_one(world, one, sending.user)
    world.timeline:after(world.dice:pick { 1, 3, 20 }, function()
      if not one.run and not world.calm then world:start(one, {}) end
    end)
  end)
end

---------------------------------------------------------------------------

local ORDER = { "strangers", "people", "entries", "rights", "disk", "steps", "resume" }

--- What is to happen while the runs of a phase go on, and shortly after.
---@param world simulate.world
function M.plan(world)
  for _, kind in ipairs(ORDER) do
    if world.spice[kind] and world.dice:yes(0.6) then
      for _ = 1, world.dice:between(1, 2) do
        local after = world.dice:fraction() * world.dice:pick { 2, 6, 20, 200 }
        world.timeline:after(after, function()
          if not world.calm then MEANWHILE[kind](world) end
        end)
      end
    end
  end
end

return M
