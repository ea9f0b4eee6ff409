//! Enforces those invariants of ARCHITECTURE.md that the source shows: which module uses which, no
//! import circles, napi in `node` only, `unsafe` in the listed files only, and one reader each of
//! the configuration and of the process environment.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken source or document fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

type Name = Vec<String>;

/// A module without its tests.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// The paths that the module names, as written, each as its segments.
    paths: Vec<Name>,
    has_unsafe: bool,
}

/// The modules of the crate, those of every platform included.
#[derive(Default)]
struct Tree {
    modules: BTreeMap<Name, Module>,
}

static TREE: LazyLock<Tree> = LazyLock::new(Tree::of_crate);

impl Tree {
    fn of_crate() -> Self {
        let mut tree = Self::default();
        tree.read(Path::new("src/lib.rs"), Path::new("src"), Vec::new());
        tree
    }

    /// Reads the module `name` from `file`; the files of its children lie in `dir`.
    fn read(&mut self, file: &Path, dir: &Path, name: Name) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&source).unwrap();
        self.enter(file, dir, name, parsed.items);
    }

    fn enter(&mut self, file: &Path, dir: &Path, name: Name, items: Vec<syn::Item>) {
        let mut module = Module { file: file.to_path_buf(), ..Module::default() };
        for item in items {
            match item {
                syn::Item::Mod(child) if is_test(&child.attrs) => {}
                syn::Item::Mod(child) => {
                    let ident = child.ident.to_string();
                    let name = [name.clone(), vec![ident.clone()]].concat();
                    let own = dir.join(&ident);
                    if let Some((_, items)) = child.content {
                        self.enter(file, &own, name, items);
                    } else {
                        let flat = dir.join(format!("{ident}.rs"));
                        let is_flat = Path::new(env!("CARGO_MANIFEST_DIR")).join(&flat).exists();
                        self.read(&if is_flat { flat } else { own.join("mod.rs") }, &own, name);
                    }
                }
                item => module.visit_item(&item),
            }
        }
        self.modules.insert(name, module);
    }

    /// Returns the modules that `from` names.
    fn uses(&self, from: &Name) -> BTreeSet<Name> {
        let resolved = self.modules[from].paths.iter().filter_map(|path| self.resolve(from, path));
        resolved.filter(|to| to != from).collect()
    }

    /// Returns the module that contains the item at `path`, as written in `from`.
    fn resolve(&self, from: &Name, path: &[String]) -> Option<Name> {
        let is_rooted = path.first()? == "crate";
        let mut at = if is_rooted { Name::new() } else { from.clone() };
        let mut rest = &path[usize::from(is_rooted || path[0] == "self")..];
        while let Some((_, following)) = rest.split_first().filter(|(first, _)| *first == "super") {
            at.pop()?;
            rest = following;
        }
        let began = at.len();
        for segment in rest {
            let child = [at.clone(), vec![segment.clone()]].concat();
            if !self.modules.contains_key(&child) {
                break;
            }
            at = child;
        }
        // A plain name that is no child comes from a `use` or from another crate.
        let is_plain = !is_rooted && rest.len() == path.len();
        (!is_plain || at.len() > began).then_some(at)
    }

    /// Returns which of the modules directly below `parent` use which others, their children
    /// included.
    fn siblings(&self, parent: &Name) -> BTreeMap<String, BTreeSet<String>> {
        let depth = parent.len();
        let below = |name: &Name| (name.len() > depth && name.starts_with(parent)).then(|| name[depth].clone());
        let mut arrows = BTreeMap::<String, BTreeSet<String>>::new();
        for name in self.modules.keys() {
            let Some(from) = below(name) else { continue };
            let to = self.uses(name).iter().filter_map(below).filter(|to| *to != from).collect::<Vec<_>>();
            arrows.entry(from).or_default().extend(to);
        }
        arrows
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        leaves(&item.tree, &mut Vec::new(), &mut self.paths);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.read_tokens(call.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.read_tokens(list.tokens.clone());
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.has_unsafe = true;
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.has_unsafe |= signature.unsafety.is_some();
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.has_unsafe |= item.unsafety.is_some();
        visit::visit_item_impl(self, item);
    }
}

impl Module {
    /// Finds the paths in a macro's tokens, which `syn` does not parse.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path = Name::new();
        let mut joined = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => joined += 1,
                TokenTree::Ident(ident) if joined == 2 => {
                    path.push(ident.to_string());
                    joined = 0;
                }
                other => {
                    self.paths.extend((path.len() > 1).then(|| std::mem::take(&mut path)));
                    path.clear();
                    joined = 0;
                    match other {
                        TokenTree::Ident(ident) => {
                            self.has_unsafe |= ident == "unsafe";
                            path.push(ident.to_string());
                        }
                        TokenTree::Group(group) => self.read_tokens(group.stream()),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.paths.extend((path.len() > 1).then_some(path));
    }
}

fn leaves(tree: &syn::UseTree, prefix: &mut Name, paths: &mut Vec<Name>) {
    let mut leaf = |name: &syn::Ident| paths.push([prefix.clone(), vec![name.to_string()]].concat());
    match tree {
        syn::UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            leaves(&path.tree, prefix, paths);
            prefix.pop();
        }
        syn::UseTree::Name(name) => leaf(&name.ident),
        syn::UseTree::Rename(rename) => leaf(&rename.ident),
        syn::UseTree::Glob(_) => paths.push(prefix.clone()),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, prefix, paths)),
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether one of the attributes is `#[test]` or `#[cfg(test)]`.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::NameValue(_) => false,
    })
}

/// Returns a circle among these arrows, if there is one.
fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn follow(
        arrows: &BTreeMap<String, BTreeSet<String>>,
        at: &str,
        trail: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(start) = trail.iter().position(|seen| seen == at) {
            return Some(trail[start..].to_vec());
        }
        if !done.insert(at.to_owned()) {
            return None;
        }
        trail.push(at.to_owned());
        let found = arrows.get(at).into_iter().flatten().find_map(|to| follow(arrows, to, trail, done));
        trail.pop();
        found
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|from| follow(arrows, from, &mut Vec::new(), &mut done))
}

/// Returns the table in ARCHITECTURE.md below this heading. Maps each code span of the first cell
/// of a row to the code spans of the second.
fn table(heading: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n## {heading}\n")).expect("ARCHITECTURE.md has the heading");
    let section = section.split("\n## ").next().unwrap();
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split('|').skip(1).map(code).collect::<Vec<_>>());
    let table: BTreeMap<_, _> = cells
        .flat_map(|cells| cells[0].clone().into_iter().map(move |name| (name, cells[1].iter().cloned().collect())))
        .collect();
    assert!(!table.is_empty(), "{heading} has a table");
    table
}

#[test]
fn modules_use_only_what_the_table_allows_and_no_row_is_stale() {
    let pairs = |arrows: BTreeMap<String, BTreeSet<String>>| -> BTreeSet<String> {
        arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| format!("{from} → {to}"))).collect()
    };
    let (found, allowed) = (pairs(TREE.siblings(&Name::new())), pairs(table("Which module uses which")));
    let forbidden: Vec<_> = found.difference(&allowed).collect();
    let stale: Vec<_> = allowed.difference(&found).collect();
    assert!(forbidden.is_empty() && stale.is_empty(), "not in the table: {forbidden:?}; only in the table: {stale:?}");
}

#[test]
fn modules_have_no_import_cycle() {
    let tree = &*TREE;
    for parent in tree.modules.keys() {
        assert_eq!(circle(&tree.siblings(parent)), None, "a circle below `crate::{}`", parent.join("::"));
    }
}

#[test]
fn only_the_node_module_uses_napi() {
    for (name, module) in &TREE.modules {
        let uses_napi = module.paths.iter().any(|path| path[0].starts_with("napi"));
        assert!(!uses_napi || name.first().is_some_and(|first| first == "node"), "{}", module.file.display());
    }
}

#[test]
fn only_the_listed_files_have_unsafe_code() {
    let tree = &*TREE;
    let found = tree.modules.values().filter(|module| module.has_unsafe);
    let found: BTreeSet<_> = found.map(|module| module.file.to_str().unwrap().replace('\\', "/")).collect();
    assert_eq!(found, table("Unsafe code").into_keys().collect());
}

#[test]
fn the_configuration_and_the_process_environment_are_read_in_one_place_each() {
    let tree = &*TREE;
    let readers = |last: [&str; 2]| {
        let mentions = |module: &&Module| module.paths.iter().any(|path| path.ends_with(&last.map(str::to_owned)));
        tree.modules
            .values()
            .filter(mentions)
            .map(|module| module.file.to_str().unwrap().replace('\\', "/"))
            .collect::<Vec<_>>()
    };
    assert_eq!(readers(["Config", "read"]), ["src/obstacles.rs"]);
    assert_eq!(readers(["env", "vars_os"]), ["src/node/options.rs"]);
    for other in ["var", "var_os", "vars"] {
        assert_eq!(readers(["env", other]), [""; 0], "{other}");
    }
}
