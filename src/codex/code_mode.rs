//! Checks for the program `codex-code-mode-host`, in which newer models call Codex's tools.

use std::path::Path;

use super::locate::Cli;
use crate::error::ToolUnavailable;
use crate::files;

const HOST: &str = if cfg!(windows) { "codex-code-mode-host.exe" } else { "codex-code-mode-host" };

/// Smallest size of a real Codex, which has more than 200 MB. Wrappers and the shims of version
/// managers are smaller.
const CODEX_BYTES: u64 = 32 << 20;

/// Feature that lets Codex start the host. Without it, code mode cannot draw.
pub const FEATURE: &str = "code_mode_host";

/// Whether `cli` certainly cannot start the host. The host has to be in the directory of Codex:
/// neither the PATH nor `CODEX_CODE_MODE_HOST_PATH` is searched (0.147.0 and 0.171.0). Blocks on
/// the disk.
#[must_use]
pub fn lacks_host(cli: &Cli) -> bool {
    let Ok(real) = files::canonical(&cli.program) else { return false };
    let is_codex = real.file_name().is_some_and(|name| name.to_string_lossy().starts_with("codex"))
        && real.metadata().is_ok_and(|metadata| metadata.len() >= CODEX_BYTES);
    // If the program is a link, Codex searches the target's directory on Linux, and the link's own
    // on macOS.
    is_codex && ![&real, &cli.program].into_iter().any(|program| can_be_run(&program.with_file_name(HOST)))
}

fn can_be_run(path: &Path) -> bool {
    #[cfg(unix)]
    let is_executable = rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    #[cfg(not(unix))]
    let is_executable = true;
    path.is_file() && is_executable
}

/// Parses a report on stderr that code mode cannot draw (0.147.0 to 0.171.0; 0.144.6 only reports a
/// host that cannot be executed).
#[must_use]
pub fn unavailable_reason(report: &str) -> Option<ToolUnavailable> {
    match () {
        () if report.starts_with("failed to spawn code-mode host") => Some(ToolUnavailable::Incomplete),
        () if report.starts_with("code-mode host is disabled") => Some(ToolUnavailable::SwitchedOff(FEATURE)),
        () => None,
    }
}

/// Text that every such report contains.
pub const REPORT_MARKER: &str = "code-mode host";

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_report_that_code_mode_cannot_draw_has_its_reason() {
        let host = "failed to spawn code-mode host /opt/codex/bin/codex-code-mode-host: ";
        for reason in ["No such file or directory (os error 2)", "host executable was not found"] {
            assert_eq!(unavailable_reason(&format!("{host}{reason}")), Some(ToolUnavailable::Incomplete));
        }
        assert_eq!(unavailable_reason("code-mode host is disabled"), Some(ToolUnavailable::SwitchedOff(FEATURE)));
        assert_eq!(unavailable_reason("unsupported call: image_genimagegen"), None);
    }

    #[test]
    fn only_a_real_codex_is_found_to_lack_its_host() {
        let dir = tempfile::tempdir().unwrap();
        let program = |name: &str, bytes| {
            let path = dir.path().join(name).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(&path).unwrap().set_len(bytes).unwrap();
            Cli { program: path, tools: None, version: None }
        };
        let codex = program("codex", CODEX_BYTES);
        assert!(lacks_host(&codex));
        assert!(!lacks_host(&program("codex-wrapper", 100)), "a wrapper starts another program");
        assert!(!lacks_host(&program("mise", CODEX_BYTES)), "a version manager starts another program");
        assert!(!lacks_host(&Cli { program: dir.path().join("nothing"), ..codex.clone() }));

        let host = codex.program.with_file_name(HOST);
        std::fs::create_dir(&host).unwrap();
        assert!(lacks_host(&codex), "a directory is no program");
        std::fs::remove_dir(&host).unwrap();
        File::create(&host).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert!(lacks_host(&codex), "it cannot be executed");
            std::fs::set_permissions(&host, std::fs::Permissions::from_mode(0o755)).unwrap();
            let link = dir.path().join("codex-link");
            std::os::unix::fs::symlink(&codex.program, &link).unwrap();
            assert!(!lacks_host(&Cli { program: link, ..codex.clone() }), "the host is beside the link's target");
        }
        assert!(!lacks_host(&codex));
    }
}
