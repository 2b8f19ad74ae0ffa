//! Pipelines: checks the names and the number of arguments in them, and turns every field into a
//! call of ours.

use gotmpl::parse::{CommandNode, Expr, PipeNode, Pos, SmolStr};

use super::error::At;
use super::names::Names;
use super::{functions, internal};

/// Checks and changes `pipe`; declares what it declares.
///
/// # Errors
/// For a function, a variable or a number of arguments that does not exist.
pub(super) fn pipeline(pipe: &mut PipeNode, names: &mut Names<'_>) -> Result<(), At> {
    for (index, command) in pipe.commands.iter_mut().enumerate() {
        self::command(command, index > 0, names)?;
    }
    for variable in &pipe.decl {
        match pipe.is_assign {
            true => names
                .variable(variable)
                .map_err(|m| At::new(pipe.pos.line, m))?,
            false => names.declare(variable),
        }
    }
    Ok(())
}

/// A command that calls a function of ours with what is piped into it.
pub(super) fn call(pos: Pos, function: &str, args: Vec<Expr>) -> CommandNode {
    let name = Expr::Identifier(pos, SmolStr::from(function));
    let args = std::iter::once(name).chain(args).collect();
    CommandNode { pos, args }
}

/// One command as a pipeline.
pub(super) fn single(command: CommandNode) -> PipeNode {
    PipeNode {
        pos: command.pos,
        decl: Vec::new(),
        commands: vec![command],
        is_assign: false,
    }
}

fn command(command: &mut CommandNode, piped: bool, names: &mut Names<'_>) -> Result<(), At> {
    let given = command.args.len().saturating_sub(1) + usize::from(piped);
    let mut args = std::mem::take(&mut command.args).into_iter();
    let Some(first) = args.next() else {
        return Ok(());
    };
    let rest: Vec<Expr> = args
        .map(|arg| expression(arg, names))
        .collect::<Result<_, _>>()?;
    let line = first.pos().line;
    if let Expr::Identifier(_, name) = &first {
        functions::check(name, given).map_err(|message| At::new(line, message))?;
        command.args = std::iter::once(first).chain(rest).collect();
        return Ok(());
    }
    if given == 0 {
        command.args = vec![expression(first, names)?];
        return Ok(());
    }
    let (base, fields) = parted(first, names)?;
    if fields.is_empty() {
        return Err(At::new(
            line,
            "this is no function, so it takes no arguments",
        ));
    }
    let path = Expr::String(command.pos, fields.join(".").into());
    let args = [base, path].into_iter().chain(rest).collect();
    *command = call(command.pos, internal::METHOD, args);
    Ok(())
}

/// An argument.
fn expression(expr: Expr, names: &mut Names<'_>) -> Result<Expr, At> {
    let pos = expr.pos();
    let (base, fields) = parted(expr, names)?;
    if fields.is_empty() {
        return Ok(base);
    }
    let fields = fields
        .into_iter()
        .map(|field| Expr::String(pos, field.as_str().into()));
    let args = std::iter::once(base).chain(fields).collect();
    Ok(Expr::Pipe(pos, single(call(pos, internal::FIELD, args))))
}

/// The value that an expression begins with, checked and changed, and the fields taken from it.
fn parted(expr: Expr, names: &mut Names<'_>) -> Result<(Expr, Vec<SmolStr>), At> {
    let wrong = |pos: Pos| move |message: String| At::new(pos.line, message);
    Ok(match expr {
        Expr::Field(pos, fields) => (Expr::Dot(pos), fields),
        Expr::Variable(pos, name, fields) => {
            names.variable(&name).map_err(wrong(pos))?;
            (Expr::Variable(pos, name, Vec::new()), fields)
        }
        Expr::Chain(_, inner, fields) => {
            let (base, mut all) = parted(*inner, names)?;
            all.extend(fields);
            (base, all)
        }
        Expr::Identifier(pos, name) => {
            functions::check(&name, 0).map_err(wrong(pos))?;
            let function = call(pos, &name, Vec::new());
            (Expr::Pipe(pos, single(function)), Vec::new())
        }
        Expr::Pipe(pos, mut pipe) => {
            pipeline(&mut pipe, names)?;
            (Expr::Pipe(pos, pipe), Vec::new())
        }
        other @ (Expr::Dot(_)
        | Expr::String(..)
        | Expr::Number(..)
        | Expr::Bool(..)
        | Expr::Nil(_)) => (other, Vec::new()),
    })
}
