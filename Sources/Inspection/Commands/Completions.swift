// Completion scripts for shells: the argument parser's, and files in the place of a subcommand, since "verdict" may be left out.

import ArgumentParser

/// The script that completes the command line of loader-inspect in one shell.
enum Completions {
    /// The script for `shell`, from the parser's own, which offers nothing but subcommands as the first word.
    static func script(_ script: String, for shell: CompletionShell) -> String {
        switch shell {
        case .bash:
            // If the function finds nothing, bash completes files.
            return script.replacing("complete -o filenames -F", with: "complete -o filenames -o default -F")
        case .zsh:
            let subcommands = "_describe -V subcommand subcommands && ret=0\n"
            return script.replacing(subcommands, with: subcommands + "        _files && ret=0\n")
        case .fish:
            let isFirst = "'__loader-inspect_should_offer_completions_for_positional \"loader-inspect\" -eq 1'"
            return script + "\ncomplete -c loader-inspect -F -n \(isFirst)\n"
        default: return script
        }
    }
}
