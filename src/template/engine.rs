//! The crate that parses and runs templates, kept on a leash: in a thread with a stack that is
//! large enough, its panics caught, its output limited.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use gotmpl::Value;
use gotmpl::parse::{DefineNode, ListNode, Parser};

use super::error::At;
use super::functions::{self, Context};
use super::internal::{self, Progress};
use super::limits::Limited;
use super::names::Names;
use super::nodes;

/// Enough for the deepest nesting that `balance` and the engine allow, many times over.
const STACK: usize = 16 << 20;
/// The whole file's name among the templates; nobody can write it.
const WHOLE: &str = "\0whole";

/// The templates of a file, by name, checked and ready.
#[derive(Debug)]
pub(super) struct Trees(BTreeMap<String, ListNode>);

/// Parses `source`, which `plain` made; `name` is what the file may call itself.
///
/// # Errors
/// For everything that is wrong with it.
pub(super) fn parse(name: &str, source: &str) -> Result<Trees, At> {
    apart(|| {
        let parser = Parser::new(source, "{{", "}}").map_err(|e| At::parsing(&e))?;
        let (whole, defined) = parser.parse().map_err(|e| At::parsing(&e))?;
        let mut trees = merge(defined)?;
        trees
            .entry(name.to_owned())
            .or_insert_with(|| whole.clone());
        trees.insert(WHOLE.to_owned(), whole);
        let names: BTreeSet<String> = trees.keys().cloned().collect();
        for tree in trees.values_mut() {
            nodes::list(tree, &mut Names::new(&names))?;
        }
        Ok(Trees(trees))
    })
}

/// Runs the whole file.
///
/// # Errors
/// For what a function, the data or a limit does not allow.
pub(super) fn render(trees: &Trees, context: &Context) -> Result<String, At> {
    apart(|| {
        let progress = Arc::new(Progress::default());
        let mut engine = gotmpl::Template::new("")
            .funcs(functions::map(context))
            .funcs(internal::map(&progress));
        for (name, tree) in &trees.0 {
            engine = engine.add_parse_tree(name, tree.clone());
        }
        let mut out = Limited::default();
        match engine.execute_template_fmt(&mut out, WHOLE, &Value::Nil) {
            Ok(()) => Ok(out.0),
            Err(error) => Err(At::rendering(progress.line(), &error)),
        }
    })
}

/// As Go: a template without a word in it never replaces another; two others are an error.
fn merge(defined: Vec<DefineNode>) -> Result<BTreeMap<String, ListNode>, At> {
    let mut trees: BTreeMap<String, ListNode> = BTreeMap::new();
    for define in defined {
        let known = trees.get(define.name.as_str());
        if known.is_some_and(|known| !known.is_empty_tree()) {
            if define.body.is_empty_tree() {
                continue;
            }
            let message = format!("the template {:?} is defined twice", define.name.as_str());
            return Err(At::new(define.pos.line, message));
        }
        trees.insert(define.name.to_string(), define.body);
    }
    Ok(trees)
}

fn apart<T: Send>(work: impl FnOnce() -> Result<T, At> + Send) -> Result<T, At> {
    thread::scope(|scope| {
        let work = move || catch_unwind(AssertUnwindSafe(work));
        let thread = thread::Builder::new()
            .name("template".to_owned())
            .stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work);
        let thread = thread.map_err(|e| At::new(0, format!("no thread to render in: {e}")))?;
        match thread.join() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) | Err(panic) => Err(failed(panic.as_ref())),
        }
    })
}

fn failed(panic: &(dyn std::any::Any + Send)) -> At {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    At::new(
        0,
        format!(
            "the template engine failed: {}",
            text.unwrap_or("it panicked")
        ),
    )
}
