import { program } from "./find";

/**
 * What a shell reads to have `docker` mean proa. The completion is loaded with it where it is not there yet: the shells load that of `proa` by its name
 * when it is first needed, and here it is `docker` that is typed first.
 */

const SHELLS = ["bash", "zsh", "fish", "sh"] as const;

export type AliasShell = (typeof SHELLS)[number];

export function isShell(name: string | undefined): name is AliasShell {
  return SHELLS.some((shell) => shell === name);
}

const LINK = `# Scripts and programs do not see this. For them make a link in a directory of the PATH:
#   mkdir -p ~/.local/bin && ln -s "$(command -v ${program})" ~/.local/bin/docker
`;

export function dockerAlias(shell: AliasShell): string {
  return bodies[shell] + LINK;
}

const bodies: Readonly<Record<AliasShell, string>> = {
  sh: `alias docker=${program}
`,
  bash: `alias docker=${program}
declare -F __${program}_complete >/dev/null || eval "$(${program} completion bash)"
complete -F __${program}_complete docker
`,
  zsh: `alias docker=${program}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
(( $+functions[_${program}] )) || eval "$(${program} completion zsh)"
compdef _${program} docker
`,
  fish: `function docker --wraps ${program} --description 'alias docker=${program}'
    ${program} $argv
end
functions -q __${program}_complete; or ${program} completion fish | source
complete -c docker -e
complete -c docker -w ${program}
`,
};
