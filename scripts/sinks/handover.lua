--- A sink: a person, who takes the client secret on a terminal (`moonlatch handover`), gives it to its consumer, and
--- confirms that it is in use. A policy names it as `policy.handover {}`; it is the policy's only sink.
--
-- The library keeps the record of what is handed over (kept_by = "person"), because no program may read the value back,
-- and because no client secret before it goes until the person has confirmed it.

return {
  summary = "Hand secrets over to a person",
  kept_by = "person",
}
