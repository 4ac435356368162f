--- Write metrics in Prometheus's text format, version 0.0.4.
--- https://prometheus.io/docs/instrumenting/exposition_formats/

local sets = require "base.sets"

local M = {}

---@class report.metric
---@field name string
---@field help string
---@field samples { labels: table<string, string>, value: number }[] without samples the metric is left out

local ESCAPES = { ["\\"] = "\\\\", ["\n"] = "\\n", ['"'] = '\\"' }

local function label_text(labels)
  local parts = {}
  for i, name in ipairs(sets.sorted(labels)) do
    parts[i] = ('%s="%s"'):format(name, (tostring(labels[name]):gsub('[\\\n"]', ESCAPES)))
  end
  return #parts > 0 and "{" .. table.concat(parts, ",") .. "}" or ""
end

local function value_text(value) return math.tointeger(value) and ("%d"):format(value) or ("%.3f"):format(value) end

local function add_metric(lines, metric)
  if #metric.samples == 0 then return end
  lines[#lines + 1] = ("# HELP %s %s"):format(metric.name, (metric.help:gsub("[\\\n]", ESCAPES)))
  lines[#lines + 1] = ("# TYPE %s gauge"):format(metric.name)
  for _, sample in ipairs(metric.samples) do
    lines[#lines + 1] = ("%s%s %s"):format(metric.name, label_text(sample.labels), value_text(sample.value))
  end
end

--- The text of these metrics, all of the type gauge.
---@param metrics report.metric[]
---@return string
function M.text(metrics)
  local lines = {}
  for _, metric in ipairs(metrics) do add_metric(lines, metric) end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

return M
