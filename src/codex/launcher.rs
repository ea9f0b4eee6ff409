//! Recognises the launcher scripts of npm, pnpm and Volta, and finds the script that they start.
//!
//! A launcher has to match a known one line by line. A script with any other line, be it one
//! `export`, is the user's own and is run unchanged. So is the launcher of an unknown version,
//! which works but needs `node` on the PATH. (Yarn 1, Bun, and npm on Unix create links instead.
//! The launchers of asdf, mise, and Volta on Unix select a version at run time.)

/// Heads of known launchers: the number of lines, and their CRC-32.
/// `__test__/fixtures/launchers/` has a launcher with each of them, as written by its tool.
const HEADS: [(usize, u32); 11] = [
    // cmd-shim 4 and 5 (npm 7 to 9).
    (7, 0x6110_a926),
    // cmd-shim 6 to 8 (npm 10 and 11), pnpm 10 to 11.5.
    (11, 0x7e1e_f10a),
    // pnpm 8 and 9, 11.10 to 11.20, 11.22 to 12.0, 11.27, 11.28.0, 12.4, 11.28.5 to 12.18, 12.20
    // and 12.21.
    (7, 0x1a58_59b1),
    (26, 0x8cef_0de5),
    (38, 0x50a7_8ec6),
    (56, 0x0289_bb7f),
    (75, 0x4486_7a21),
    (51, 0x3a6c_59c8),
    (81, 0x7f8a_46d1),
    (92, 0xbf8d_0570),
    // cmd-shim 4 to 8 for cmd.exe.
    (9, 0xb669_a9c5),
];

/// Placeholder for a path in [`NODE_PATHS`] and [`TAILS`].
const PATH: char = '…';

/// Blocks in which pnpm sets `NODE_PATH`, between head and tail. The native binary ignores that
/// variable.
const NODE_PATHS: [&str; 3] = [
    r#"if [ -z "$NODE_PATH" ]; then
  export NODE_PATH="…"
else
  export NODE_PATH="…:$NODE_PATH"
fi"#,
    r#"if [ -z "$NODE_PATH" ]; then
  export NODE_PATH='…'
else
  export NODE_PATH='…':"$NODE_PATH"
fi"#,
    r#"@IF NOT DEFINED NODE_PATH (
  @SET "NODE_PATH=…"
) ELSE (
  @SET "NODE_PATH=…;%NODE_PATH%"
)"#,
];

/// Tails of known launchers: they run the script, whose path is relative to the launcher's
/// directory.
const TAILS: [&str; 6] = [
    // cmd-shim 4 to 8, pnpm 8 to 11.5.
    r#"if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/…" "$@"
else
  exec node  "$basedir/…" "$@"
fi"#,
    // pnpm 11.10 to 12.4.
    r#"if [ -n "$exe" ] && [ -x "$basedir/node.exe" ]; then
  exec "$basedir/node.exe"  "$basedir_win/…" "$@"
elif [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/…" "$@"
elif command -v node >/dev/null 2>&1; then
  exec node  "$basedir/…" "$@"
elif [ -n "$exe" ] && command -v node.exe >/dev/null 2>&1; then
  exec node.exe  "$basedir_win/…" "$@"
else
  exec node  "$basedir/…" "$@"
fi"#,
    // pnpm 11.28.5 to 12.18.
    r#"if [ -n "$exe" ] && [ -x "$basedir/node.exe" ]; then
  exec "$basedir/node.exe"  "$basedir_win/…" "$@"
elif [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir_abs/…" "$@"
elif [ -n "$msys" ] && command -v node >/dev/null 2>&1; then
  exec node  "$basedir_win/…" "$@"
elif command -v node >/dev/null 2>&1; then
  exec node  "$basedir_abs/…" "$@"
elif [ -n "$exe" ] && command -v node.exe >/dev/null 2>&1; then
  exec node.exe  "$basedir_win/…" "$@"
else
  exec node  "$basedir_abs/…" "$@"
fi"#,
    // pnpm 11.28.11, 12.20 and 12.21.
    r#"if [ -n "$exe" ] && [ -x "$basedir/node.exe" ]; then
  exec "$basedir/node.exe"  "$basedir_win"/'…' "$@"
elif [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir_abs"/'…' "$@"
elif [ -n "$msys" ] && command -v node >/dev/null 2>&1; then
  exec node  "$basedir_win"/'…' "$@"
elif command -v node >/dev/null 2>&1; then
  exec node  "$basedir_abs"/'…' "$@"
elif [ -n "$exe" ] && command -v node.exe >/dev/null 2>&1; then
  exec node.exe  "$basedir_win"/'…' "$@"
else
  exec node  "$basedir_abs"/'…' "$@"
fi"#,
    // cmd-shim 4 to 8 for cmd.exe.
    r#"IF EXIST "%dp0%\node.exe" (
  SET "_prog=%dp0%\node.exe"
) ELSE (
  SET "_prog=node"
  SET PATHEXT=%PATHEXT:;.JS;=;%
)

endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  "%dp0%\…" %*"#,
    // pnpm 8 to 12 for cmd.exe.
    r#"@IF EXIST "%~dp0\node.exe" (
  "%~dp0\node.exe"  "%~dp0\…" %*
) ELSE (
  @SET PATHEXT=%PATHEXT:;.JS;=;%
  node  "%~dp0\…" %*
)"#,
];

/// Launcher of Volta 2 for cmd.exe, and the script that it starts if npm installed the package.
/// Volta 1 makes links to its own program, which Windows can start.
const VOLTA: (&[&str], &str) = (
    &["@echo off", "volta run %~n0 %*"],
    "../tools/image/packages/@openai/codex/node_modules/@openai/codex/bin/codex.js",
);

/// Returns the path of the script that a launcher starts, relative to the launcher's directory and
/// with `/` between its parts. `None` if the text is not exactly a known launcher.
pub fn target(text: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    if lines == VOLTA.0 {
        return Some(VOLTA.1.to_owned());
    }
    // From version 11 on pnpm repeats the target in a comment.
    lines.pop_if(|last| last.starts_with("# cmd-shim-target="));
    let (mut rest, target) = TAILS.iter().find_map(|tail| strip(&lines, tail))?;
    if let Some((before, _)) = NODE_PATHS.iter().find_map(|block| strip(rest, block)) {
        rest = before;
    }
    // This line alone is the head of pnpm's launchers for cmd.exe.
    let is_known = rest == ["@SETLOCAL"] || HEADS.contains(&(rest.len(), crc32fast::hash(rest.join("\n").as_bytes())));
    is_known.then(|| target.replace('\\', "/"))
}

/// If the lines end with `block`, returns the lines before it, and the path that all its
/// placeholders stand for.
fn strip<'a, 't>(lines: &'a [&'t str], block: &str) -> Option<(&'a [&'t str], &'t str)> {
    let (before, found) = lines.split_at_checked(lines.len().checked_sub(block.lines().count())?)?;
    let mut path = None;
    for (line, expected) in found.iter().zip(block.lines()) {
        let Some((start, end)) = expected.split_once(PATH) else {
            if *line == expected {
                continue;
            }
            return None;
        };
        let here = line.strip_prefix(start)?.strip_suffix(end)?;
        // These are special characters of a shell, even within quotes.
        if here.contains(['"', '\'', '$', '`', '%']) || *path.get_or_insert(here) != here {
            return None;
        }
    }
    Some((before, path?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Reads the launchers that were written by their tools, with their file names.
    fn launchers() -> Vec<(String, String)> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/__test__/fixtures/launchers");
        let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
        entries
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read_to_string(entry.path()).unwrap())
            })
            .collect()
    }

    #[test]
    fn every_launcher_leads_to_the_script_of_the_package() {
        let launchers = launchers();
        assert!(launchers.len() >= HEADS.len());
        for (name, text) in launchers {
            let found = target(&text).unwrap_or_else(|| panic!("{name} is not known"));
            assert!(found.ends_with("node_modules/@openai/codex/bin/codex.js"), "{found} in {name}");
            assert_eq!(target(&text.replace('\n', "\r\n")), Some(found), "{name}");
        }
    }

    #[test]
    fn every_known_head_occurs_in_a_launcher() {
        let launchers = launchers();
        let of = |text: &str| {
            let lines: Vec<_> = text.lines().map(str::trim_end).collect();
            let head = |lines: usize, sum| {
                move |found: &[&str]| {
                    found.len() >= lines && crc32fast::hash(found[..lines].join("\n").as_bytes()) == sum
                }
            };
            HEADS.into_iter().filter(|&(length, sum)| head(length, sum)(&lines)).collect::<Vec<_>>()
        };
        let seen: HashSet<_> = launchers.iter().flat_map(|(_, text)| of(text)).collect();
        assert_eq!(seen, HashSet::from(HEADS));
    }

    #[test]
    fn a_launcher_with_an_added_line_is_the_users_own() {
        let lines = [
            "export HTTPS_PROXY=http://proxy",
            "set -x",
            "ulimit -v 4000000",
            "# mine",
            "exec firejail \"$0\" \"$@\"",
            "SET HTTPS_PROXY=http://proxy",
            "FOO=1",
        ];
        for (name, text) in launchers() {
            let original: Vec<_> = text.lines().collect();
            for at in 0..=original.len() {
                for line in lines {
                    let mut mutated = original.clone();
                    mutated.insert(at, line);
                    assert_eq!(target(&mutated.join("\n")), None, "{name} with {line} before line {at}");
                }
            }
        }
    }

    #[test]
    fn a_launcher_with_a_missing_or_changed_line_is_the_users_own() {
        for (name, text) in launchers() {
            let original: Vec<_> = text.lines().collect();
            for (at, line) in original.iter().enumerate() {
                // The comment at the end is optional.
                if line.starts_with("# cmd-shim-target=") {
                    continue;
                }
                let mut without = original.clone();
                without.remove(at);
                assert_eq!(target(&without.join("\n")), None, "{name} without line {at}");
                for changed in
                    [format!("{line} --search"), format!("FOO=1 {line}"), line.replace("codex.js", "other.js")]
                {
                    if changed == *line {
                        continue;
                    }
                    let mut mutated = original.clone();
                    mutated[at] = &changed;
                    // A launcher of another script is valid; the caller checks the script.
                    assert_eq!(
                        target(&mutated.join("\n")).filter(|to| to.ends_with("codex.js")),
                        None,
                        "{name}: {changed}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_path_with_a_shell_command_is_refused() {
        // Volta's launcher contains no path.
        for (name, text) in launchers().into_iter().filter(|(name, _)| !name.starts_with("volta")) {
            for command in ["$(curl)", "`curl`", "$HOME", "%HOME%", "\" x \""] {
                let mutated = text.replace("node_modules/@openai", &format!("node_modules/{command}/@openai"));
                let mutated = mutated.replace("node_modules\\@openai", &format!("node_modules\\{command}\\@openai"));
                assert_ne!(mutated, text);
                assert_eq!(target(&mutated), None, "{name} with {command}");
            }
        }
    }
}
