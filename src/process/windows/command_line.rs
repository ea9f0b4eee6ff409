//! Builds the command line and the environment block of a new process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use crate::win32::wide;

const SPACE: u16 = b' ' as u16;
const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// Builds the line from which C runtimes and Rust parse these arguments ("Parsing C command-line
/// arguments" in Microsoft's documentation). Only backslashes before a quote are special: each of
/// them, and the quote, is escaped by another one.
pub fn command_line(program: &Path, args: &[OsString]) -> io::Result<Vec<u16>> {
    let mut line = vec![QUOTE];
    // The program's name ends at the next quote, which no path contains, without escapes.
    line.extend(program.as_os_str().encode_wide());
    line.push(QUOTE);
    for arg in args {
        line.extend([SPACE, QUOTE]);
        let mut backslashes = 0;
        for unit in arg.encode_wide() {
            if unit == QUOTE {
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
            }
            backslashes = if unit == BACKSLASH { backslashes + 1 } else { 0 };
            line.push(unit);
        }
        line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        line.push(QUOTE);
    }
    wide(OsString::from_wide(&line))
}

/// Builds the block of these variables, sorted by name and ignoring case, as `CreateProcessW` asks.
/// Of two variables with the same name the last one counts.
pub fn environment<'a>(variables: impl Iterator<Item = (&'a OsStr, &'a OsStr)>) -> io::Result<Vec<u16>> {
    let sorted: BTreeMap<String, _> =
        variables.map(|(name, value)| (name.to_string_lossy().to_uppercase(), (name, value))).collect();
    let mut block = Vec::new();
    for (name, value) in sorted.into_values() {
        block.extend(wide([name, value].join(OsStr::new("=")))?);
    }
    // An empty block has one empty entry.
    if block.is_empty() {
        block.push(0);
    }
    block.push(0);
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(args: &[&str]) -> String {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let line = command_line(Path::new("C:\\a b\\c.exe"), &args).unwrap();
        String::from_utf16(line.strip_suffix(&[0]).unwrap()).unwrap()
    }

    #[test]
    fn escapes_every_argument() {
        assert_eq!(line(&[]), r#""C:\a b\c.exe""#);
        assert_eq!(line(&["plain", "", "with space"]), r#""C:\a b\c.exe" "plain" "" "with space""#);
        assert_eq!(line(&[r#"say "hi""#]), r#""C:\a b\c.exe" "say \"hi\"""#);
        assert_eq!(line(&[r"C:\dir\", r"a\b"]), r#""C:\a b\c.exe" "C:\dir\\" "a\b""#);
        assert_eq!(line(&[r#"\\"\"#]), r#""C:\a b\c.exe" "\\\\\"\\""#);
        assert_eq!(line(&["%PATH%", "a\nb", "^&|"]), "\"C:\\a b\\c.exe\" \"%PATH%\" \"a\nb\" \"^&|\"");
        assert!(command_line(Path::new("C:\\c.exe"), &["a\0b".into()]).is_err());
    }

    #[test]
    fn sorts_variables_and_drops_duplicates() {
        let variables = [("b", "2"), ("A", "1"), ("Path", "old"), ("PATH", "new")];
        let block = environment(variables.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))).unwrap();
        assert_eq!(String::from_utf16(&block).unwrap(), "A=1\0b=2\0PATH=new\0\0");
        assert_eq!(environment(std::iter::empty()).unwrap(), [0, 0]);
    }
}
