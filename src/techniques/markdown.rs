//! The tables of docs/techniques.md, in Markdown.

use super::evaluation::METRICS;
use super::registry::TECHNIQUES;
use crate::techniques::api::{Group, figure};
use std::fmt::Write;

/// Every technique and metric with its definition.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for group in [Group::Attribution, Group::Visualization, Group::Adversarial, Group::Style] {
        let _ = writeln!(text, "### {}{}\n", group.to_string()[..1].to_uppercase(), &group.to_string()[1..]);
        text += "| technique | shows | definition | parameters | reference |\n|---|---|---|---|---|\n";
        for t in TECHNIQUES.iter().filter(|t| t.group() == group) {
            let defaults = t.defaults();
            let value = |name| defaults.get(name).map(ToString::to_string).unwrap_or_default();
            let params: Vec<String> = t.params().iter().map(|p| format!("`{}` {}", p.name, value(p.name))).collect();
            let params = params.join(", ");
            let row = [&format!("`{}`", t.id()), t.about(), t.definition(), &params, t.reference()];
            let _ = writeln!(text, "| {} |", row.map(cell).join(" | "));
        }
        text.push('\n');
    }
    text += "### Metrics\n\n| metric | shows | definition | scores | reference |\n|---|---|---|---|---|\n";
    for m in METRICS {
        let scores: Vec<String> = m.scores.iter().map(|s| format!("`{s}` {}", figure(s).arrow())).collect();
        let row = [&format!("`{}`", m.id), m.about, m.definition, &scores.join(", "), m.reference];
        let _ = writeln!(text, "| {} |", row.map(cell).join(" | "));
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
