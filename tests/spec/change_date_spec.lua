--- rotation.moment: what the directory's moment of change says of the values that were sent.

local moments = require "rotation.change_date"

local NONE = { low = 0, high = 0 }
local OPEN = { state = "open", first = 1000.2, last = 1000.6, from = 1000.2, to = 1000.6, unanswered = 1000.6 }
local ANSWERED = { state = "accepted", first = 2000.1, last = 2000.4, from = 2000.1, to = 2000.4,
  answered = { from = 2000.1, to = 2000.4 } }
local DENIED = { state = "denied", first = 3000.1, last = 3000.4 }

describe("a moment of change", function()
  it("is explained by an unanswered request until that cannot be carried out any more", function()
    assert.is_false(moments.explains({ OPEN }, 999, NONE))
    assert.is_true(moments.explains({ OPEN }, 1000, NONE)) -- whole seconds
    assert.is_true(moments.explains({ OPEN }, 1150, NONE))
    assert.is_false(moments.explains({ OPEN }, 1151, NONE))
  end)

  it("is explained by an answered request within its span only, and by a refused one never", function()
    assert.is_true(moments.explains({ ANSWERED }, 2000, NONE))
    assert.is_false(moments.explains({ ANSWERED }, 2001, NONE))
    assert.is_false(moments.explains({ DENIED }, 3000, NONE))
  end)

  it("is explained with the directory's clock taken into account", function()
    assert.is_false(moments.explains({ ANSWERED }, 1997, NONE))
    assert.is_true(moments.explains({ ANSWERED }, 1997, { low = -3.2, high = -2.9 }))
  end)

  it("lies a distance outside the span of an answered request", function()
    local span = ANSWERED.answered
    assert.equal(0, moments.distance(span, 2000, NONE))
    assert.equal(-1, moments.distance(span, 1999, NONE))
    assert.is_true(moments.distance(span, 2002, NONE) > 1)
    assert.equal(0, moments.distance(span, 2003, { low = 2.5, high = 3.1 }))
  end)

  it("that moves along with a second request shows the directory's clock", function()
    local first = { span = { from = 2000.1, to = 2000.4 }, moment = 2003 }
    local same = { span = { from = 2010.1, to = 2010.4 }, moment = 2013 }
    local offset = moments.offset_of_changes(first, same)
    assert.is_true(offset.low <= 3 and offset.high >= 3)
  end)

  it("that does not move along was somebody else's", function()
    local first = { span = { from = 2000.1, to = 2000.4 }, moment = 2005 }
    assert.is_nil(moments.offset_of_changes(first, { span = { from = 2010.1, to = 2010.4 }, moment = 2010 }))
    assert.is_nil(moments.offset_of_changes(first, { span = { from = 2010.1, to = 2010.4 }, moment = 2005 }))
  end)
end)

describe("values that were sent", function()
  it("are quiet once no unanswered request can be carried out", function()
    assert.is_nil(moments.quiet_from { ANSWERED, DENIED })
    assert.equal(1000.6 + 150, moments.quiet_from { OPEN, ANSWERED })
  end)

  it("are void only 150 seconds after their last request, whatever was answered", function()
    assert.equal(3000.4 + 150, moments.others_void_from({ OPEN, DENIED }))
    assert.equal(1000.6 + 150, moments.others_void_from({ OPEN, DENIED }, 2))
    assert.equal(0, moments.others_void_from { { state = "fresh" } })
  end)

  it("have left when any was sent, and are open when any may have been carried out", function()
    assert.is_true(moments.any_sent { { state = "fresh" }, DENIED })
    assert.is_false(moments.may_be_in_force { { state = "fresh" }, DENIED })
    assert.is_true(moments.may_be_in_force { DENIED, OPEN })
    assert.equal(1000.2, moments.first_sent { DENIED, OPEN })
  end)

  it("let an account rest", function()
    assert.equal(1150, moments.rested_from(1000, 900))
    assert.equal(1050, moments.rested_from(nil, 900))
  end)
end)
