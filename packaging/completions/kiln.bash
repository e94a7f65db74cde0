# Bash completion for kiln. Install as /usr/share/bash-completion/completions/kiln.
# Flags are read from the command's own --help, so they cannot go out of date; nothing here starts a daemon.

_kiln_commands() {
  kiln --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_kiln_flags() {
  kiln "$@" --help 2>/dev/null | sed -n '/^Options:/,/^$/p' | grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,'
}

# What a daemon lists, only when one listens already: KEY of each row.
_kiln_listed() {
  local key=$1 socket=${KILN_HOST:-}
  socket=${socket#unix://}
  if [[ -z $socket ]]; then
    for socket in "${XDG_RUNTIME_DIR:-/nonexistent}/kiln/kiln.sock" /run/kiln/kiln.sock; do
      [[ -S $socket ]] && break
    done
  fi
  [[ -S $socket ]] || return
  shift
  kiln --host "unix://$socket" "$@" --format json 2>/dev/null | grep -oE "\"$key\":\"[^\"]*\"" | cut -d'"' -f4
}

_kiln_images() {
  _kiln_listed reference images
}

_kiln_caches() {
  _kiln_listed id cache ls
}

_kiln_builds() {
  _kiln_listed id builds
}

_kiln() {
  local cur prev words cword command="" verb="" i
  if declare -F _init_completion >/dev/null; then
    _init_completion -n =: || return
  else
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    cur=${words[cword]} prev=${words[cword - 1]}
  fi

  for ((i = 1; i < cword; i++)); do
    case ${words[i]} in
      --host) ((i++)) ;;
      -*) ;;
      *) command=${words[i]} && break ;;
    esac
  done
  if [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_kiln_commands) --host --help --version" -- "$cur")
    return
  fi

  [[ $command == cache && $cword -gt $((i + 1)) ]] && verb=${words[i + 1]}

  case $prev in
    -f | --file | -i | --input | --iidfile | --metadata-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      compopt -o filenames 2>/dev/null
      return ;;
    --progress) mapfile -t COMPREPLY < <(compgen -W "auto tty plain json quiet" -- "$cur"); return ;;
    --call) mapfile -t COMPREPLY < <(compgen -W "build check outline targets" -- "$cur"); return ;;
    --network) mapfile -t COMPREPLY < <(compgen -W "default host none" -- "$cur"); return ;;
    --platform) mapfile -t COMPREPLY < <(compgen -W "linux/amd64 linux/arm64 linux/arm/v7" -- "$cur"); return ;;
    --allow) mapfile -t COMPREPLY < <(compgen -W "network.host security.insecure" -- "$cur"); return ;;
    --ssh) mapfile -t COMPREPLY < <(compgen -W "default" -- "$cur"); return ;;
    --cache-from | --cache-to)
      local caches="type=registry,ref= type=local,src="
      [[ $prev == --cache-to ]] && caches="type=registry,ref= type=inline type=local,dest="
      mapfile -t COMPREPLY < <(compgen -W "$caches" -- "$cur")
      compopt -o nospace 2>/dev/null
      return ;;
    --secret)
      mapfile -t COMPREPLY < <(compgen -W "id=" -- "$cur")
      compopt -o nospace 2>/dev/null
      return ;;
    --format)
      local formats="table json"
      [[ $command == save ]] && formats="oci docker"
      mapfile -t COMPREPLY < <(compgen -W "$formats" -- "$cur"); return ;;
    -o | --output)
      if [[ $command == build ]]; then
        mapfile -t COMPREPLY < <(compgen -W "type=image type=oci,dest= type=docker,dest= type=tar,dest= type=local,dest=" -- "$cur")
        compopt -o nospace 2>/dev/null
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      fi
      return ;;
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_kiln_flags "$command" ${verb:+"$verb"})" -- "$cur")
    return
  fi
  case $command in
    context)
      if [[ $prev == context ]]; then
        mapfile -t COMPREPLY < <(compgen -W "ls" -- "$cur")
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        compopt -o filenames 2>/dev/null
      fi ;;
    cache)
      if [[ $prev == cache ]]; then
        mapfile -t COMPREPLY < <(compgen -W "ls save load rm" -- "$cur")
      elif [[ $verb != ls && $prev == "$verb" || $verb == rm ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_kiln_caches)" -- "$cur")
      elif [[ $verb == load ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null
      fi ;;
    builds)
      if [[ $prev == builds ]]; then
        mapfile -t COMPREPLY < <(compgen -W "ls show explain trace rm" -- "$cur")
      else
        mapfile -t COMPREPLY < <(compgen -W "latest $(_kiln_builds)" -- "$cur")
      fi ;;
    logs) mapfile -t COMPREPLY < <(compgen -W "latest $(_kiln_builds)" -- "$cur") ;;
    build)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      compopt -o filenames 2>/dev/null ;;
    inspect | history | tag | rmi | push | save | images)
      mapfile -t COMPREPLY < <(compgen -W "$(_kiln_images)" -- "$cur")
      declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur" ;;
    help) mapfile -t COMPREPLY < <(compgen -W "$(_kiln_commands)" -- "$cur") ;;
  esac
}

complete -F _kiln kiln
