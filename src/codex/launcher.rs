//! The scripts by which npm and pnpm start a package's script, where they do not link to it.
//!
//! Only what they write, line by line, is taken for theirs. A script with any other line, be it one
//! `export`, is the user's own and has to be run as it is. So is a launcher of a version that is
//! not known here: it works, but needs `node` on the PATH. (Yarn 1, Bun, and npm on Unix make
//! links. Volta's, asdf's and mise's launchers choose a version when they are run.)

/// The beginnings of known launchers: how many lines they have, and the CRC-32 of these.
/// `__test__/fixtures/launchers/` holds each of them as a tool has written it.
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
    // For cmd.exe: cmd-shim 4 to 8.
    (9, 0xb669_a9c5),
];

/// What stands in [`NODE_PATHS`] and [`TAILS`] for a path.
const PATH: char = '…';

/// How pnpm sets `NODE_PATH`, between the beginning and the end. It does not matter to the native
/// binary.
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

/// How launchers end: by running the script, whose path is relative to the launcher's directory.
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
    // For cmd.exe: cmd-shim 4 to 8.
    r#"IF EXIST "%dp0%\node.exe" (
  SET "_prog=%dp0%\node.exe"
) ELSE (
  SET "_prog=node"
  SET PATHEXT=%PATHEXT:;.JS;=;%
)

endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  "%dp0%\…" %*"#,
    // For cmd.exe: pnpm 8 to 12.
    r#"@IF EXIST "%~dp0\node.exe" (
  "%~dp0\node.exe"  "%~dp0\…" %*
) ELSE (
  @SET PATHEXT=%PATHEXT:;.JS;=;%
  node  "%~dp0\…" %*
)"#,
];

/// The path of the script that the launcher starts, relative to the launcher's directory and with
/// `/` between its parts; none if the text is not exactly what npm or pnpm writes.
pub fn target(text: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    // pnpm from 11 on repeats the target in a comment.
    lines.pop_if(|last| last.starts_with("# cmd-shim-target="));
    let (mut rest, target) = TAILS.iter().find_map(|tail| strip(&lines, tail))?;
    if let Some((before, _)) = NODE_PATHS.iter().find_map(|block| strip(rest, block)) {
        rest = before;
    }
    // What pnpm writes for cmd.exe begins with this alone.
    let is_known = rest == ["@SETLOCAL"] || HEADS.contains(&(rest.len(), crc32fast::hash(rest.join("\n").as_bytes())));
    is_known.then(|| target.replace('\\', "/"))
}

/// What comes before `block`, if the lines end with it, and the path that stands in all its places.
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
        // In quotes these have a meaning to one shell or the other.
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

    /// What the tools have written, by its name.
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
    fn every_known_beginning_was_written_by_some_tool() {
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
    fn one_more_line_makes_a_launcher_the_users_own() {
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
    fn one_line_less_or_changed_makes_a_launcher_the_users_own() {
        for (name, text) in launchers() {
            let original: Vec<_> = text.lines().collect();
            for (at, line) in original.iter().enumerate() {
                // The comment at the end repeats the target, and the paths of modules may be any.
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
                    // One that runs one script for all is one; its caller checks which.
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
    fn a_command_in_the_place_of_a_path_is_not_taken_for_one() {
        for (name, text) in launchers() {
            for command in ["$(curl)", "`curl`", "$HOME", "%HOME%", "\" x \""] {
                let mutated = text.replace("node_modules/@openai", &format!("node_modules/{command}/@openai"));
                let mutated = mutated.replace("node_modules\\@openai", &format!("node_modules\\{command}\\@openai"));
                assert_ne!(mutated, text);
                assert_eq!(target(&mutated), None, "{name} with {command}");
            }
        }
    }
}
