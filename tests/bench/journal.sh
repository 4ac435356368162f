# Benchmarks of the journal. Sourced by run.

HISTORY=2000000 # audit records

# journal_profile FOLDER NAME: a profile of the emulator in FOLDER with a state folder of its own; prints its path.
journal_profile() {
  local config=$1/emulator/$2.lua
  sed -e "s/emulator = { clock = [^}]*}/write_budget = false, emulator = true/" \
    -e "s/^    tenant = /    state = \"$2\", tenant = /" "$1/emulator/moonlatch.lua" >"$config"
  chmod 600 "$config"
  echo "$config"
}

# journal_fill FOLDER NAME RECORDS: gives that profile's journal a history.
journal_fill() {
  local binding
  binding=$(ready "$1" login | sed 's,^https://,,; s,/.*,,; s,:,_,')/contoso.onmicrosoft.com # as a profile makes it
  "$build/moonlatch" --stdlib tests/bench/journal "$1/emulator/$2" "$1/emulator/journal.key" "$binding" "$3" >/dev/null
}

# journal_pairs FOLDER WORD…: the program with both profiles in turn, 11 times; the least CPU seconds of each (wall times tell of the machine).
journal_pairs() {
  local folder=$1 name
  shift
  for _ in $(seq 11); do
    for name in few many; do
      bench cost "$folder/cost" "$build/moonlatch" --config "$folder/emulator/$name.lua" "$@" >"$folder/log" 2>&1 ||
        { cat "$folder/log" >&2; return 1; }
      awk -v n="$name" '{ print n, $2 * 1000 }' "$folder/cost"
    done
  done | awk '!($1 in least) || $2 < least[$1] { least[$1] = $2 } END { print least["few"], least["many"] }'
}

# What a history of 2,000,000 records costs a run, beside a journal in which each account was rotated once.
journal_history() {
  local folder few many policy
  folder=$(mktemp -d)
  emulator_start "$folder" --users 3600 --lag 0 --interval 1
  for name in few many; do journal_profile "$folder" "$name" >/dev/null; done
  journal_fill "$folder" few 34000
  journal_fill "$folder" many "$HISTORY"
  read -r few many < <(journal_pairs "$folder" journal history 1)
  row journal_start "$many" ms "$few" "CPU: start with the journal of $HISTORY records beside one of 34,000" "ratio <= 1.1"
  read -r few many < <(journal_pairs "$folder" journal list)
  row journal_list "$many" ms "$few" "CPU: journal list, 2,000 rows" "ratio <= 1.1"
  policy=$(rotation_policy "$folder" 10)
  sed -i 's/every = /accept = { "guest", "synced", "federated", "disabled", "restricted", "reach" }, every = /' "$policy"
  read -r few many < <(journal_pairs "$folder" rotate "$policy" --yes --quiet)
  row journal_rotate "$many" ms "$few" "CPU: rotate of 10 due accounts" "ratio <= 1.1"
  emulator_stop
  rm -rf "$folder"
}
