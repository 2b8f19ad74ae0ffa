//! confd.toml: the same settings as the flags, under keys that are spelled a little differently.

use std::path::Path;

use super::DEFAULT_CONFIG_FILE;
use super::layer::{Layer, SETTINGS, Setting, Shape};
use crate::tables::{At, Findings, Problem, Table, Value};

/// Reads the file that was `named`, else the default one, which need not be there.
pub(super) fn load(
    named: Option<&str>,
    problems: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Layer {
    let path = Path::new(named.unwrap_or(DEFAULT_CONFIG_FILE));
    if named.is_none() && !path.exists() {
        return Layer::default();
    }
    let mut findings = Findings::of(path);
    let table = Table::load(path, &mut findings);
    let layer = table.map_or_else(Layer::default, |table| read(path, table, &mut findings));
    problems.extend(findings.problems.iter().map(Problem::to_string));
    warnings.extend(findings.warnings.iter().map(Problem::to_string));
    layer
}

fn read(path: &Path, mut table: Table, findings: &mut Findings) -> Layer {
    let mut layer = Layer::default();
    for setting in SETTINGS {
        let Some(key) = setting.key else { continue };
        let Some(At { value, line }) = table.any(key, findings) else {
            continue;
        };
        let origin = format!("{}:{line}: {key}", path.display());
        let kind = value.kind();
        match texts(setting, value) {
            Some(texts) => {
                for text in texts {
                    layer.say(setting, origin.clone(), text);
                }
            }
            None => {
                let wanted = match setting.shape {
                    Shape::Value => "a text in quotes",
                    Shape::Switch => "true or false",
                    Shape::List => "a list of texts in quotes",
                };
                findings.problem(line, format!("{key} is {kind}, not {wanted}"));
            }
        }
    }
    table.finish(findings);
    layer
}

/// The value's texts; `None` if it is of a wrong type.
fn texts(setting: &Setting, value: Value) -> Option<Vec<String>> {
    match value {
        Value::Text(text) => Some(vec![text]),
        Value::Number(number) => Some(vec![number.to_string()]),
        Value::Switch(switch) => Some(vec![switch.to_string()]),
        Value::List(items) if setting.shape == Shape::List => {
            let mut all = Vec::new();
            for item in items {
                let Value::Text(text) = item.value else {
                    return None;
                };
                all.push(text);
            }
            Some(all)
        }
        Value::List(_) | Value::Table(_) | Value::Other(_) => None,
    }
}
