//! The arrows between the files of a crate, from its `use` lines and the paths in its code: no two files import each
//! other, directly or in a longer circle, and in the library each room imports from the rooms beneath it alone.
//!
//! The code is read as text. A path leads to the file of the longest module path that it begins with; a declaration
//! (`mod x;`) is no import, a re-export (`pub use x::Y`) is one. What is compiled for tests alone does not count.

mod code;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use code::{Mention, Module, contents};

/// The directories of code in which there is no circle.
const WITHOUT_CIRCLES: [&str; 6] =
    ["guest/src", "guest/remote/src", "host/src", "host/cli/src", "host/node/src", "tests/src"];

/// The rooms of the library, each row above those that it imports from. Rooms of one row do not know each other.
const ROOMS: [&[&str]; 10] = [
    &["error", "escape"],
    &["files"],
    &["sockets"],
    &["scope"],
    &["registry"],
    &["authority"],
    &["call"],
    &["imports"],
    &["gateway", "runtime"],
    &["lib"],
];

/// The text of files by their paths.
type Sources = BTreeMap<PathBuf, String>;

/// One file imports from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: PathBuf,
    to: PathBuf,
    line: usize,
    path: String,
}

impl fmt::Debug for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} -> {} ({})", self.from.display(), self.line, self.to.display(), self.path)
    }
}

/// The arrows of the crate with that root.
fn arrows(sources: &Sources, root: &Path) -> Vec<Arrow> {
    let mut modules = BTreeMap::from([(Module::new(), root.to_owned())]);
    let mut files = VecDeque::from([(Module::new(), root.to_owned())]);
    let mut mentions = Vec::new();
    while let Some((module, file)) = files.pop_front() {
        let contents = contents(&sources[&file]);
        let stem = file.file_stem().expect("a file of code has a name");
        let directory =
            if file == root || stem == "mod" { file.with_file_name("") } else { file.with_extension("") };
        for (declared, is_file) in contents.modules {
            let path = [&module[..], &declared].concat();
            let beneath = directory.join(declared.iter().collect::<PathBuf>());
            let candidates = [beneath.with_extension("rs"), beneath.join("mod.rs")];
            let its_file = match candidates.into_iter().find(|file| sources.contains_key(file)) {
                Some(its_file) if is_file => its_file,
                _ if is_file => panic!("{}: module `{}` has no file", file.display(), declared.join("::")),
                _ => file.clone(),
            };
            if is_file {
                files.push_back((path.clone(), its_file.clone()));
            }
            modules.insert(path, its_file);
        }
        mentions.extend(contents.mentions.into_iter().map(|mention| (file.clone(), module.clone(), mention)));
    }
    let mut arrows: Vec<Arrow> = Vec::new();
    for (from, module, Mention { within, path, line }) in mentions {
        let Some(to) = target(&modules, [module, within].concat(), &path) else { continue };
        let is_new = !arrows.iter().any(|arrow| arrow.from == from && arrow.to == *to);
        if from != *to && is_new {
            arrows.push(Arrow { from, to: to.clone(), line, path: path.join("::") });
        }
    }
    arrows
}

/// The file that a path in a module leads to; `None` where it leads out of the crate, or to a name in scope.
fn target<'a>(
    modules: &'a BTreeMap<Module, PathBuf>,
    mut at: Module,
    path: &[String],
) -> Option<&'a PathBuf> {
    let mut rest = path.iter().peekable();
    match rest.peek()?.as_str() {
        "crate" => at.clear(),
        "self" | "super" => {}
        child => drop(modules.get(&[&at[..], &[child.to_owned()]].concat())?),
    }
    for segment in rest {
        match segment.as_str() {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            name => {
                at.push(name.to_owned());
                if !modules.contains_key(&at) {
                    at.pop();
                    break;
                }
            }
        }
    }
    modules.get(&at)
}

/// The circles, the shortest first; of those that share an arrow, one.
fn circles(arrows: &[Arrow]) -> Vec<Vec<&Arrow>> {
    let mut all: Vec<_> = arrows.iter().filter_map(|first| shortest_circle(arrows, first)).collect();
    all.sort_by_key(Vec::len);
    let mut seen = BTreeSet::new();
    all.retain(|circle| {
        let is_apart = circle.iter().all(|arrow| !seen.contains(arrow));
        if is_apart {
            seen.extend(circle.iter().copied());
        }
        is_apart
    });
    all
}

/// The shortest way from an arrow's end back to its beginning, that arrow included.
fn shortest_circle<'a>(arrows: &'a [Arrow], first: &'a Arrow) -> Option<Vec<&'a Arrow>> {
    let mut ways = VecDeque::from([vec![first]]);
    let mut reached = BTreeSet::from([&first.to]);
    while let Some(way) = ways.pop_front() {
        let end = &way[way.len() - 1].to;
        if *end == first.from {
            return Some(way);
        }
        for next in arrows.iter().filter(|next| next.from == *end) {
            if reached.insert(&next.to) {
                ways.push_back([&way[..], &[next]].concat());
            }
        }
    }
    None
}

/// The arrows that lead to a room that does not stand beneath their own, and those between files of no room.
fn upward<'a>(arrows: &'a [Arrow], directory: &Path) -> Vec<&'a Arrow> {
    let room = |file: &Path| {
        let first = file.strip_prefix(directory).ok()?.components().next()?;
        Path::new(&first).file_stem()?.to_str().map(str::to_owned)
    };
    let row = |room: &str| ROOMS.iter().position(|row| row.contains(&room));
    let is_right = |arrow: &Arrow| {
        let (from, to) = (room(&arrow.from)?, room(&arrow.to)?);
        Some(from == to || row(&to)? < row(&from)?)
    };
    arrows.iter().filter(|arrow| is_right(arrow) != Some(true)).collect()
}

/// The code beneath a directory of the repository.
fn sources(directory: &Path, found: &mut Sources) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository");
    for entry in fs::read_dir(root.join(directory)).expect("a directory of code can be read") {
        let path = directory.join(entry.expect("a directory of code can be read").file_name());
        if root.join(&path).is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(root.join(&path)).expect("code can be read");
            found.insert(path, text);
        }
    }
}

/// The arrows of all crates beneath a directory of the repository.
fn arrows_beneath(directory: &str) -> Vec<Arrow> {
    let mut all = Sources::new();
    sources(Path::new(directory), &mut all);
    let is_root = |path: &&PathBuf| path.ends_with("lib.rs") || path.ends_with("main.rs");
    all.keys().filter(is_root).flat_map(|root| arrows(&all, root)).collect()
}

#[test]
fn no_two_files_import_each_other() {
    for directory in WITHOUT_CIRCLES {
        let all = arrows_beneath(directory);
        assert!(!all.is_empty(), "{directory} has files that import others");
        let circles = circles(&all);
        assert!(circles.is_empty(), "files import each other: {circles:#?}");
    }
}

#[test]
fn the_rooms_of_the_library_import_from_those_beneath_them() {
    let all = arrows_beneath("host/src");
    let upward = upward(&all, Path::new("host/src"));
    assert!(upward.is_empty(), "these lead to a room that is not beneath their own: {upward:#?}");
}

/// The arrows of a crate of these files, each as `FROM -> TO`, and its circles, each as `FILE -> FILE -> …`.
fn of_files(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let sources = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    let all = arrows(&sources, Path::new("lib.rs"));
    let name = |arrow: &Arrow| format!("{} -> {}", arrow.from.display(), arrow.to.display());
    let circle = |circle: &Vec<&Arrow>| {
        let files: Vec<_> = circle.iter().map(|arrow| arrow.from.display().to_string()).collect();
        format!("{} -> {}", files.join(" -> "), files[0])
    };
    (all.iter().map(name).collect(), circles(&all).iter().map(circle).collect())
}

#[test]
fn a_circle_is_found_and_named_file_by_file() {
    let (_, circles) = of_files(&[
        ("lib.rs", "mod call;\nmod grants;\nmod pods;\npub use call::Call;"),
        ("call.rs", "use crate::grants::{Grant, parse};\npub struct Call(Grant);"),
        ("grants.rs", "pub struct Grant;\npub fn parse() -> crate::pods::Pod { todo!() }"),
        ("pods/mod.rs", "mod record;\npub use record::Record;"),
        (
            "pods/record.rs",
            "use super::super::call::Call;\nuse super::Pod;\nmod deeper { use super::super::Pod; }",
        ),
    ]);
    let two = "pods/mod.rs -> pods/record.rs -> pods/mod.rs";
    let four = "call.rs -> grants.rs -> pods/mod.rs -> pods/record.rs -> call.rs";
    assert_eq!(circles, [two], "the shorter of two with an arrow in common");

    let (_, circles) = of_files(&[
        ("lib.rs", "mod call;\nmod grants;\nmod pods;"),
        ("call.rs", "use crate::grants::Grant;"),
        ("grants.rs", "fn parse() { crate::pods::Pod::find() }"),
        ("pods/mod.rs", "mod record;\nfn pod() { record::read(|_| self::record::Record) }"),
        ("pods/record.rs", "use std::{fmt, io};\nuse {serde::Serialize, super::super::call::{self, Call}};"),
    ]);
    assert_eq!(circles, [four]);
}

#[test]
fn declarations_tests_and_texts_are_no_imports() {
    let (arrows, circles) = of_files(&[
        ("lib.rs", "mod a;\npub(crate) mod b;\n#[path = \"../../c.rs\"]\nmod c;\n#[cfg(test)]\nmod tests;\n"),
        (
            "a.rs",
            r##"//! As crate::b::X has it. /* No comment: */
                /* use crate::b::X; /* nested */ use crate::b::Y; */
                const C: [char; 2] = ['"', '\''];
                const T: &str = "use crate::b::X; \" crate::b::Y";
                const R: &str = r#"" crate::b::X"#;
                fn f<'a>(b: &'a str) -> impl Fn() + use<'a> { b::other(); ::b::X; let x = std::b::X; }
                struct S { #[cfg(test)] x: crate::b::X }
                #[cfg(test)]
                #[allow(unused)]
                fn g() -> crate::b::X { crate::b::X { y: 1 } }
                #[cfg(test)]
                mod tests { use crate::b::{X, Y}; fn f() {} }
            "##,
        ),
        ("b.rs", "pub(in crate::a) struct X;\nmacro_rules! m { () => { $crate::a::S } }"),
    ]);
    assert_eq!(arrows, ["b.rs -> a.rs"], "what stands behind the skipped parts is read");
    assert_eq!(circles, [""; 0]);
}

#[test]
fn a_room_that_imports_from_above_or_beside_it_is_found() {
    let arrow =
        |from: &str, to: &str| Arrow { from: from.into(), to: to.into(), line: 1, path: String::new() };
    let all = [
        arrow("src/call/gate.rs", "src/authority/mod.rs"),
        arrow("src/call/gate.rs", "src/call/context.rs"),
        arrow("src/lib.rs", "src/error.rs"),
        arrow("src/files/mod.rs", "src/sockets/connect.rs"),
        arrow("src/error.rs", "src/escape.rs"),
        arrow("src/runtime/mod.rs", "src/attic.rs"),
    ];
    let found = upward(&all, Path::new("src"));
    assert_eq!(found, all[3..].iter().collect::<Vec<_>>());
}
