//! Fuzzes the validation of options, and the command line and prompt made from valid ones.

#![no_main]

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use codex_image::codex::ThreadId;
use codex_image::codex::command::{self, exec_args, settings};
use codex_image::codex::config::Config;
use codex_image::codex::confinement::Confinement;
use codex_image::codex::prompt::{Brief, prompt};
use codex_image::environment::Environment;
use codex_image::request::{
    CodexHome, Completion, Request, Validation, aspect_problem, config_key_problem, name_problem, text_problem,
    variable_name_problem, whole,
};
use codex_image::sandbox::Sandbox;
use libfuzzer_sys::fuzz_target;

/// Separates the texts of an input. Not used in UTF-8, so the texts may have all characters.
const SEPARATOR: u8 = 0xff;
const NONCE: &str = "5ca1ab1e5ca1ab1e";

fn request(texts: &[String; 6]) -> Request {
    let [aspect, name, key, value, variable, words] = texts.each_ref().map(String::as_str);
    let fits = |fault: Option<&str>| fault.is_none();
    let value_fits = fits(text_problem(value));
    let variables = [(variable, value), ("HOME", value), ("PATH", value)];
    let variables = variables.into_iter().filter(|(name, _)| value_fits && fits(variable_name_problem(name)));
    Request {
        prompt: words.to_owned(),
        aspect: fits(aspect_problem(aspect)).then(|| aspect.to_owned()),
        codex_path: None,
        // Has no config.toml and no other file.
        codex_home: CodexHome::named("/dev/null".into()),
        env: Environment::new(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        node_dir: None,
        model: fits(name_problem(name)).then(|| name.to_owned()),
        sandbox: if words.len() % 2 == 0 { Sandbox::ReadOnly } else { Sandbox::WorkspaceWrite { network: true } },
        completion: Completion::Image,
        config: if value_fits && fits(config_key_problem(key)) {
            vec![(key.to_owned(), value.to_owned())]
        } else {
            vec![]
        },
        disable_features: if fits(name_problem(name)) { vec![name.to_owned()] } else { vec![] },
        timeout: Duration::from_secs(1),
        kill_grace: Duration::ZERO,
        max_image_bytes: 1,
        validation: Validation::Full,
        require_verified: false,
        references: vec![],
        transparent: false,
        lean: words.len() % 3 == 0,
        max_reconnects: 0,
    }
}

fn check_command_line(request: &Request) {
    let settings = settings(request, &Config::default(), None, Path::new("/w"), ("MARKER", "x"));
    let args = exec_args(request, &settings, &[]);
    let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    assert!(args.iter().all(|arg| !arg.contains('\0')));
    let fixed = args.iter().position(|arg| *arg == "--ignore-rules").map_or(0, |at| at + 1);
    let pairs: Vec<_> = args[fixed..].chunks(2).map(|pair| (pair[0], pair[1])).collect();
    for &(flag, value) in &pairs {
        assert!(["-c", "--model", "--disable"].contains(&flag), "{flag:?} has become an option");
        assert!(!value.starts_with('-') && !value.trim().is_empty(), "{value:?} may be taken for an option");
    }
    for (key, value) in &request.config {
        // The settings of a profile follow the caller's own, unless the caller sets `profiles`.
        let is_of_profile = |setting: &str| setting.starts_with("profiles=") && key != "profiles";
        let last = pairs.iter().rfind(|(flag, setting)| *flag == "-c" && !is_of_profile(setting));
        assert_eq!(last.and_then(|(_, setting)| setting.split_once('=')), Some((key.as_str(), value.as_str())));
    }
    // The prompt is not an argument, unless another option contains the same text.
    let config = request.config.iter().flat_map(|(key, value)| [key, value]);
    let mut others = config.chain(&request.model).chain(&request.disable_features);
    let words = &request.prompt;
    assert!(
        words.len() <= 64 || others.any(|other| other.contains(words)) || !args.iter().any(|arg| arg.contains(words))
    );
}

fuzz_target!(|bytes: &[u8]| {
    let mut texts = bytes.split(|&byte| byte == SEPARATOR).map(|text| String::from_utf8_lossy(text).into_owned());
    let texts: [String; 6] = std::array::from_fn(|_| texts.next().unwrap_or_default());

    if aspect_problem(&texts[0]).is_none() {
        let sides: Vec<u32> = texts[0].split(':').filter_map(|side| side.parse().ok()).collect();
        assert!(matches!(sides[..], [1..=9999, 1..=9999]), "{:?}", texts[0]);
    }
    if let Some(thread) = ThreadId::parse(&texts[1]) {
        let path = PathBuf::from(thread.to_string());
        let parts: Vec<_> = path.components().collect();
        assert!(matches!(parts[..], [Component::Normal(name)] if name == texts[1].as_str()));
    }
    if let Some(number) = bytes.first_chunk().map(|bytes| f64::from_le_bytes(*bytes))
        && let Some(whole) = whole(number, 1..=1000)
    {
        assert!((1..=1000).contains(&whole) && format!("{number}") == whole.to_string());
    }

    let request = request(&texts);
    check_command_line(&request);
    let confinement = Confinement::expected(&request, &Config::default(), &[], None, false);
    let confined = confinement == Confinement::Expected;
    assert!(!confined || request.lean, "a full turn has servers outside of the sandbox");
    let words = &request.prompt;
    let brief = Brief {
        user_prompt: words,
        aspect: request.aspect(),
        transparent: false,
        references: &[],
        ignore_instructions: request.lean,
        copy_to: Some(Path::new("/w/image.png")),
    };
    let prompt = prompt(&brief, NONCE);
    if !words.contains(NONCE) {
        assert_eq!(prompt.matches(&format!("</brief-{NONCE}")).count(), 1);
        assert!(prompt.ends_with(&format!("<brief-{NONCE}>\n{words}\n</brief-{NONCE}>\n")), "the prompt is unchanged");
    }
    let path = request.env.expand(&texts[3]);
    assert!(path.is_some() || request.env.home().is_none());
    let _ = command::path(&request, None);
});
