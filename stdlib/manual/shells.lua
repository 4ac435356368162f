--- The completion scripts of shells. Each asks `moonlatch completion -- WORD…` what may come next: the first line of
--- the answer is words, files or folders, and each further line a word, a tab and what it means.

return {
  bash = [=[
# bash completion for moonlatch
_moonlatch() {
  local words=() word cut= lines=() i
  for ((i = 1; i <= COMP_CWORD; i++)); do # bash has split --option=value at the "="
    word=${COMP_WORDS[i]}
    if ((${#words[@]})) && [[ $word == = && ${words[-1]} == --* ]]; then
      words[-1]+='='
    elif ((${#words[@]})) && [[ ${words[-1]} == --*= ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
  done
  word=${words[-1]}
  if [[ $word == --*=* ]]; then cut=${word%%=*}= word=${word#*=}; fi
  mapfile -t lines < <("$1" completion -- "${words[@]}" 2>/dev/null)
  COMPREPLY=()
  case ${lines[0]-} in
    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    words)
      for word in "${lines[@]:1}"; do
        word=${word%%$'\t'*}
        COMPREPLY+=("$(printf %q "${word#"$cut"}")")
      done
      ;;
  esac
}
complete -F _moonlatch moonlatch
]=],

  zsh = [=[
#compdef moonlatch
_moonlatch() {
  local -a lines described
  local line
  lines=("${(@f)$("${(Q)words[1]}" completion -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  case $lines[1] in
    files) compset -P '--*='; _files ;;
    folders) compset -P '--*='; _files -/ ;;
    words)
      for line in "${(@)lines[2,-1]}"; do
        described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
      done
      _describe -V moonlatch described
      ;;
  esac
}
if [[ $funcstack[1] == _moonlatch ]]; then _moonlatch "$@"; else compdef _moonlatch moonlatch; fi
]=],

  fish = [=[
# fish completion for moonlatch
function __moonlatch_complete
    set -l words (commandline -opc) "$(commandline -ct)"
    set -l value (string replace -r -- '^--[^=]*=' '' $words[-1])
    set -l option (string match -r -- '^--[^=]*=' $words[-1])
    set -l lines ($words[1] completion -- $words[2..-1] 2>/dev/null)
    switch "$lines[1]"
        case files
            for path in (__fish_complete_path $value)
                echo -- $option$path
            end
        case folders
            for path in (__fish_complete_directories $value)
                echo -- $option$path
            end
        case words
            printf '%s\n' $lines[2..-1]
    end
end
complete -c moonlatch -f -a '(__moonlatch_complete)'
]=],
}
