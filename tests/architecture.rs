//! The house: who may use whom, as docs/ARCHITECTURE.md says, held against the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file by its module path: `graph::ops::conv` for src/graph/ops/conv.rs, `graph` for src/graph/mod.rs.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut files = vec![];
    walk(&root().join("src"), &mut files);
    assert!(files.len() > 100, "the sources were not found");
    let module = |path: &Path| {
        let path = path.strip_prefix(root().join("src")).expect("a source").with_extension("");
        let parts: Vec<String> = path.iter().map(|p| p.to_string_lossy().into_owned()).collect();
        parts.into_iter().filter(|p| p != "mod").collect::<Vec<_>>().join("::")
    };
    files.iter().map(|f| (module(f), code_of(&std::fs::read_to_string(f).expect("UTF-8")))).collect()
}

/// A file without comments, texts and unit tests.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that a piece of code names from `start` on: `crate::a::{b, c::d}` gives `a::b` and `a::c::d`.
fn paths(code: &str, start: &str) -> Vec<String> {
    fn tree(text: &str, prefix: &str, found: &mut Vec<String>) -> usize {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let path = format!("{prefix}{name}");
        if (name.ends_with("::") || path.is_empty()) && rest.starts_with('{') {
            let mut at = 1;
            loop {
                let skipped = rest[at..].find(|c: char| !c.is_whitespace() && c != ',').unwrap_or(0);
                at += skipped;
                if rest[at..].starts_with('}') || at >= rest.len() {
                    return end + at + 1;
                }
                let used = tree(&rest[at..], &path, found);
                // Whatever else stands there (`as name`, an asterisk) is no path.
                at += used.max(1);
            }
        }
        found.push(path.trim_end_matches(':').to_owned());
        end
    }
    let mut found = vec![];
    for (at, _) in code.match_indices(start) {
        let whole = at == 0 || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if whole {
            tree(&code[at + start.len()..], "", &mut found);
        }
    }
    found
}

/// Absolute paths of everything of this crate that a file names.
fn used(module: &str, code: &str) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = paths(code, "crate::").into_iter().collect();
    let parents: Vec<&str> = module.split("::").collect();
    for ups in 1..=parents.len() {
        let start = "super::".repeat(ups);
        let base = parents[..parents.len() - ups].join("::");
        for path in paths(code, &start) {
            if !path.starts_with("super") {
                all.insert(if base.is_empty() { path } else { format!("{base}::{path}") });
            }
        }
    }
    all
}

/// The table of modules: each with those that it may use.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the page");
    let ticked = |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut table = BTreeMap::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "module, what it holds, what it may use: {row}");
        for module in ticked(cells[0]) {
            table.insert(module, ticked(cells[2]));
        }
    }
    table
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let (table, mut wrong) = (table(), vec![]);
    let tops: BTreeSet<String> =
        sources().keys().map(|m| m.split("::").next().unwrap_or_default().to_owned()).collect();
    for (module, code) in &sources() {
        let top = module.split("::").next().unwrap_or_default();
        if matches!(top, "lib" | "main") {
            continue;
        }
        let allowed = table.get(top).unwrap_or_else(|| panic!("docs/ARCHITECTURE.md does not list `{top}`"));
        for path in used(module, code) {
            let other = path.split("::").next().unwrap_or_default();
            if other != top && tops.contains(other) && !allowed.contains(other) {
                wrong.push(format!("{module} uses {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/ARCHITECTURE.md does not allow that:\n{}", wrong.join("\n"));
    // The table itself has no circle.
    let mut left = table.clone();
    while let Some(bottom) =
        left.iter().find(|(_, uses)| uses.iter().all(|u| !left.contains_key(u))).map(|(m, _)| m.clone())
    {
        left.remove(&bottom);
    }
    assert!(left.is_empty(), "these use each other: {:?}", left.keys());
}

/// The files that each file uses; what a `mod.rs` hands on counts as the file that it comes from.
fn edges(sources: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let handed_on: BTreeMap<String, BTreeMap<String, String>> = sources
        .iter()
        .map(|(module, code)| {
            let uses = code.split(';').filter(|s| s.trim_start().starts_with("pub") && s.contains(" use "));
            let names = uses.flat_map(|statement| paths(statement, "use "));
            let from = |path: String| {
                let full = path.strip_prefix("crate::").map_or_else(|| join(module, &path), str::to_owned);
                Some((path.rsplit("::").next()?.to_owned(), full))
            };
            (module.clone(), names.filter_map(from).collect())
        })
        .collect();
    let file_of = |path: &str| -> Option<String> {
        let mut path = path.to_owned();
        for _ in 0..8 {
            let parts: Vec<&str> = path.split("::").collect();
            let depth = (1..=parts.len()).rev().find(|n| sources.contains_key(&parts[..*n].join("::")))?;
            let file = parts[..depth].join("::");
            match parts.get(depth).and_then(|name| handed_on[&file].get(*name)) {
                Some(origin) if *origin != path => path.clone_from(origin),
                _ => return Some(file),
            }
        }
        None
    };
    let own = |module: &String, code: &String| {
        let kept: String = code.split_inclusive(';').filter(|s| !is_declaration(s)).collect();
        let mut targets: BTreeSet<String> = used(module, &kept).iter().filter_map(|path| file_of(path)).collect();
        // A module's own children, named without `self`.
        for child in sources.keys().filter(|c| c.rsplit_once("::").is_some_and(|(parent, _)| parent == module)) {
            let name = child.rsplit("::").next().unwrap_or_default();
            targets.extend(paths(&kept, &format!("{name}::")).iter().filter_map(|p| file_of(&join(child, p))));
        }
        targets.remove(module);
        targets
    };
    sources.iter().map(|(module, code)| (module.clone(), own(module, code))).collect()
}

fn join(module: &str, path: &str) -> String {
    if module.is_empty() { path.to_owned() } else { format!("{module}::{path}") }
}

/// `mod a;` and `pub use a::B;` say what there is, not what is used.
fn is_declaration(statement: &str) -> bool {
    let last = statement.trim().lines().last().unwrap_or_default().trim_start();
    let words: Vec<&str> = statement.split_whitespace().filter(|w| !w.starts_with("#[")).collect();
    let public = words.first().is_some_and(|w| w.starts_with("pub"));
    last.starts_with("mod ") || (public && words.iter().take(4).any(|w| matches!(*w, "use" | "mod")))
}

#[test]
fn no_two_files_use_each_other() {
    let sources = sources();
    let edges = edges(&sources);
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > sources.len(), "imports were not found");
    let reached = |from: &String| {
        let mut found: BTreeSet<&String> = BTreeSet::new();
        let mut next: Vec<&String> = edges[from].iter().collect();
        while let Some(file) = next.pop() {
            if found.insert(file) {
                next.extend(&edges[file]);
            }
        }
        found
    };
    let reached: BTreeMap<&String, BTreeSet<&String>> = edges.keys().map(|file| (file, reached(file))).collect();
    let circles: Vec<String> = edges
        .iter()
        .filter(|(file, _)| reached[file].contains(file))
        .map(|(file, uses)| {
            let back: Vec<&str> = uses.iter().filter(|u| reached[u].contains(file)).map(String::as_str).collect();
            format!("{file} → {}", back.join(", "))
        })
        .collect();
    assert!(circles.is_empty(), "these files use each other in a circle:\n{}", circles.join("\n"));
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = sources()
        .keys()
        .filter_map(|module| {
            let path = module.replace("::", "/");
            let file = [format!("src/{path}.rs"), format!("src/{path}/mod.rs")].map(|p| root().join(p));
            let text = file.iter().find_map(|f| std::fs::read_to_string(f).ok()).expect("a source");
            let lines = text.lines().count();
            (lines > 450).then(|| format!("{module}: {lines} lines"))
        })
        .collect();
    assert!(long.is_empty(), "more than one idea in a file?\n{}", long.join("\n"));
}

#[test]
fn every_name_of_a_group_is_seen() {
    assert_eq!(paths("use super::{A, b::{C, D}, e};", "super::"), ["A", "b::C", "b::D", "e"]);
    assert_eq!(paths("crate::a::b::c(1)", "crate::"), ["a::b::c"]);
}
