/**
 * `ottla completion`: what a shell needs to complete commands, flags, topics and groups.
 *
 * Owns the scripts. They ask the command itself (`ottla __complete`), so that they never fall behind it.
 */

export const shells = ["bash", "zsh", "fish"] as const
export type Shell = (typeof shells)[number]

const scripts: Readonly<Record<Shell, string>> = {
  bash: `# ottla completion for bash: source <(ottla completion bash)
_ottla() {
  local IFS=$'\\n'
  COMPREPLY=($(ottla __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _ottla ottla
`,
  zsh: `#compdef ottla
# ottla completion for zsh: source <(ottla completion zsh)
_ottla() {
  local -a found
  found=("\${(@f)$(ottla __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _ottla ottla
`,
  fish: `# ottla completion for fish: ottla completion fish | source
complete -c ottla -f -a '(ottla __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

export const completionScript = (shell: Shell): string => scripts[shell]
