--- moonlatch metrics: numbers for Prometheus. Signs in nowhere.

local command_task = require "cli.command_task"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local metrics = require "notice.metrics"
local own_file = require "machine.own_file"
local prometheus = require "report.prometheus"
local session = require "session.open"
local term = require "host.term"

local function write_metrics(path, text)
  own_file.write { path = path, text = text, mark = "# HELP moonlatch_", noun = "the metrics", public = true,
    command = hint.text "{moonlatch} metrics --file FILE" }
end

local function run_metrics(open, options)
  local text = prometheus.text(metrics.read(open.journal, open.profile))
  if options.file then write_metrics(options.file, text) else term.write_data(text) end
  return 0
end

local function run_metrics_command(options)
  if log.json() and not options.file then
    fail.raise { kind = "usage", what = "metrics --json", why = "these numbers are in the text format of Prometheus",
      fix = "Leave out --json, or write them to a file with --file FILE." }
  end
  local open <close> = session.start(options, { owner = "moonlatch metrics", reading = true })
  return command_task.run(run_metrics, open, options)
end

---@type cli.command
return {
  summary = "write numbers for Prometheus: dates of credentials, last runs of policies, open findings",
  details = "From the journal alone, in Prometheus's text format. Labels hold ids: no secret, no hint. A thing\n"
    .. "that is not known has no sample.",
  options = {
    { name = "--file", value = "FILE",
      help = "write this file, which other programs may read, at once or not at all: for node_exporter's textfile "
        .. "collector" },
  },
  examples = {
    "moonlatch metrics",
    "moonlatch metrics --file /var/lib/prometheus/node-exporter/moonlatch.prom   # a timer runs it",
  },

  run = run_metrics_command,
}
