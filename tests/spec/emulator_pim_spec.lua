--- The emulated Graph: role assignments through Privileged Identity Management.

local fake = require "fake_tenant"
local refused = fake.refused
local time = require "time"

local REQUESTS = "/roleManagement/directory/roleAssignmentScheduleRequests"
local INSTANCES = "/roleManagement/directory/roleAssignmentScheduleInstances"
local HELPDESK = "Helpdesk Administrator"

describe("the emulated PIM", function()
  local world, principal, role

  before_each(function()
    world = fake.new()
    principal = select(2, world:set_up("priya"))
    role = world.tenant.role_ids[HELPDESK]
  end)

  local function ask(more)
    local body = {
      action = "adminAssign", principalId = principal.id, roleDefinitionId = role, directoryScopeId = "/",
      justification = "because",
      scheduleInfo = {
        startDateTime = time.iso(world.time), expiration = { type = "afterDuration", duration = "P10D" },
      },
    }
    for name, value in pairs(more or {}) do body[name] = value or nil end
    return world:ask("priya", "POST", REQUESTS, body)
  end

  local function instances()
    local _, body = world:ask("priya", "GET", ("%s?$filter=principalId eq '%s'"):format(INSTANCES, principal.id))
    return body.value
  end

  it("assigns a role until its end, seen a little later", function()
    local status, request = ask()
    assert.equals(201, status)
    assert.equals("Provisioned", request.status)
    assert.equals(0, #instances())
    world:wait(5)
    assert.same({ role }, world.tenant:directory_roles(principal.id))
    assert.equals(time.iso(world.time - 5 + 10 * 86400), instances()[1].endDateTime)
    world:wait(10 * 86400)
    assert.same({}, world.tenant:directory_roles(principal.id))
    assert.equals(0, #instances())
    assert.equals(201, (ask()))
  end)

  it("assigns one once, even before readers see it", function()
    ask()
    refused(400, "RoleAssignmentExists", "The Role assignment already exists.", ask())
  end)

  it("holds a request against the role's rules", function()
    local forever = { expiration = { type = "noExpiration" } }
    assert.equals(201, (ask { scheduleInfo = forever }))
    world:wait(5)
    ask { action = "adminRemove" }
    world:wait(5)
    world.tenant:set_flag("pim_only", { HELPDESK })
    local function failing(rules, more)
      refused(400, "RoleAssignmentRequestPolicyValidationFailed",
        ("The following policy rules failed: [%s]"):format(rules), ask(more))
    end
    failing('"ExpirationRule"', { scheduleInfo = forever })
    failing('"ExpirationRule"', { scheduleInfo = { expiration = { type = "afterDuration", duration = "P16D" } } })
    failing('"JustificationRule"', { justification = false })
    world.tenant:set_flag("pim_ticket", { HELPDESK })
    failing('"TicketingRule"')
    assert.equals(201, (ask { ticketInfo = { ticketNumber = "4711", ticketSystem = "x" } }))
  end)

  it("extends an assignment, and removes it", function()
    refused(400, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.", ask { action = "adminExtend" })
    ask()
    world:wait(9 * 86400)
    assert.equals(201, (ask { action = "adminExtend" }))
    world:wait(9 * 86400)
    assert.same({ role }, world.tenant:directory_roles(principal.id))
    local status, request = ask { action = "adminRemove", scheduleInfo = false, justification = false }
    assert.equals(201, status)
    assert.equals("Revoked", request.status)
    world:wait(5)
    assert.same({}, world.tenant:directory_roles(principal.id))
  end)

  it("keeps an assignment for five minutes, or does not: a flag, for it is not known", function()
    world.tenant:set_flag("pim_short", true)
    ask()
    world:wait(5)
    refused(400, "ActiveDurationTooShort", "The active duration is too short.", ask { action = "adminRemove" })
    world:wait(300)
    assert.equals(201, (ask { action = "adminRemove" }))
  end)

  it("waits for an approver where the policy says so", function()
    world.tenant:set_flag("pim_approval", { HELPDESK })
    local _, request = ask()
    assert.equals("PendingApproval", request.status)
    world:wait(5)
    assert.same({}, world.tenant:directory_roles(principal.id))
    local filter = ("?$filter=principalId eq '%s' and status eq 'PendingApproval'"):format(principal.id)
    local _, list = world:ask("priya", "GET", REQUESTS .. filter)
    assert.equals(request.id, list.value[1].id)
    world.tenant:approve_role(request.id)
    assert.same({ role }, world.tenant:directory_roles(principal.id))
    _, list = world:ask("priya", "GET", REQUESTS .. filter)
    assert.equals(0, #list.value)
  end)

  it("is for those who may assign roles, for principals and roles that are there, and with a licence", function()
    local body = { action = "adminAssign", principalId = principal.id, roleDefinitionId = role, directoryScopeId = "/" }
    assert.equals(403, (world:ask("arno", "POST", REQUESTS, body)))
    local app = world.tenant:add_app { name = "App", permissions = { "RoleManagement.Read.Directory" } }
    assert.equals(403, (world:ask(app, "POST", REQUESTS, body)))
    refused(404, "SubjectNotFound", "The subject is not found.",
      ask { principalId = "11111111-1111-4111-8111-111111111111" })
    refused(404, "RoleNotFound", "The role is not found.",
      ask { roleDefinitionId = "11111111-1111-4111-8111-111111111111" })
    world.tenant:set_flag("premium", false)
    assert.equals(400, (ask()))
  end)
end)
