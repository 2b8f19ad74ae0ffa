//! The tree of a parsed template: checks the names in it, and changes it where the engine does
//! otherwise than Go.

use gotmpl::parse::{ActionNode, BranchNode, Expr, ListNode, Node, Number, Pos, TemplateNode};

use super::error::At;
use super::expressions::{call, pipeline, single};
use super::internal;
use super::names::Names;

/// Checks and changes everything in `list`.
///
/// # Errors
/// For a function, a variable, a template or a number of arguments that does not exist.
pub(super) fn list(list: &mut ListNode, names: &mut Names<'_>) -> Result<(), At> {
    let mut nodes = Vec::with_capacity(list.nodes.len() * 2);
    for mut node in std::mem::take(&mut list.nodes) {
        if let Some(pos) = self::node(&mut node, names)? {
            nodes.push(marker(pos));
        }
        nodes.push(node);
    }
    list.nodes = nodes;
    Ok(())
}

/// The node's place, when it does something.
fn node(node: &mut Node, names: &mut Names<'_>) -> Result<Option<Pos>, At> {
    match node {
        Node::Action(action) => self::action(action, names).map(Some),
        Node::If(branch) | Node::With(branch) => self::branch(branch, names).map(Some),
        Node::Range(branch) => {
            let pos = self::branch(branch, names)?;
            branch
                .pipe
                .commands
                .push(call(pos, internal::RANGE, Vec::new()));
            Ok(Some(pos))
        }
        Node::Template(template) => self::template(template, names).map(Some),
        Node::List(inner) => list(inner, names).map(|()| None),
        Node::Text(_) | Node::Define(_) | Node::Break(_) | Node::Continue(_) => Ok(None),
    }
}

fn action(action: &mut ActionNode, names: &mut Names<'_>) -> Result<Pos, At> {
    pipeline(&mut action.pipe, names)?;
    if action.pipe.decl.is_empty() {
        let print = call(action.pos, internal::PRINT, Vec::new());
        action.pipe.commands.push(print);
    }
    Ok(action.pos)
}

fn branch(branch: &mut BranchNode, names: &mut Names<'_>) -> Result<Pos, At> {
    let outside = names.enter();
    pipeline(&mut branch.pipe, names)?;
    let inside = names.enter();
    list(&mut branch.body, names)?;
    names.leave(inside);
    if let Some(otherwise) = &mut branch.else_body {
        list(otherwise, names)?;
    }
    names.leave(outside);
    Ok(branch.pos)
}

/// A template that is called without a dot has none; the engine would pass its own on.
fn template(template: &mut TemplateNode, names: &mut Names<'_>) -> Result<Pos, At> {
    let pos = template.pos;
    names
        .template(&template.name)
        .map_err(|message| At::new(pos.line, message))?;
    match &mut template.pipe {
        Some(pipe) => pipeline(pipe, names)?,
        None => template.pipe = Some(single(call(pos, internal::NOTHING, Vec::new()))),
    }
    Ok(pos)
}

/// An action that says where the rendering is, and prints nothing.
fn marker(pos: Pos) -> Node {
    let line = Number::Int(i64::try_from(pos.line).unwrap_or_default());
    let pipe = single(call(pos, internal::LINE, vec![Expr::Number(pos, line)]));
    Node::Action(ActionNode { pos, pipe })
}
