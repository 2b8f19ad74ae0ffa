//! Who is measured beside us: the floor, which is compiled here, and what `ORIGINAL=` and `CONFD=`
//! name. Nobody else's code is in the tree.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::checker::CheckerBuilder;
use crate::support::program;
use crate::support::template::must_succeed;

pub const FLOOR: &str = "the floor";
pub const PERL: &str = "the Perl script";
pub const OWN_CHECK: &str = "HAProxy's own check";
pub const CONFD: &str = "confd";

/// The peers of this run.
#[derive(Debug)]
pub struct Peers {
    tools: PathBuf,
    original: Option<PathBuf>,
    confd: Option<PathBuf>,
}

impl Peers {
    /// # Panics
    /// If a variable names what is not there, or gcc fails.
    pub fn find() -> Peers {
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
        fs::create_dir_all(&tools).unwrap();
        for name in ["floor", "greet", "cputime"] {
            let source = format!("{}/tests/bench/{name}.c", env!("CARGO_MANIFEST_DIR"));
            let mut gcc = Command::new(program("gcc"));
            gcc.args(["-O2", "-o"]).arg(tools.join(name)).arg(source);
            must_succeed(&mut gcc);
        }
        Peers {
            tools,
            original: named("ORIGINAL").map(|dir| there(dir.join("bin/checkmysqlslave"))),
            confd: named("CONFD").map(there),
        }
    }

    /// The client that checks, and one that an application is.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.tools.join(name)
    }

    /// The original's checker, still without options.
    pub fn original(&self) -> Option<CheckerBuilder> {
        let script = self.original.as_ref()?;
        let builder = CheckerBuilder::of("original", program("perl")).arg(script);
        let dir = builder.dir().display().to_string();
        // Perl keeps back what it writes into a file, else.
        let builder = builder.file("AtOnce.pm", "package AtOnce;\n$| = 1;\n1;\n");
        Some(builder.env("PERL5LIB", &dir).env("PERL5OPT", "-MAtOnce"))
    }

    pub fn confd_path(&self) -> Option<&Path> {
        self.confd.as_deref()
    }

    /// confd, still without options.
    pub fn confd(&self) -> Option<CheckerBuilder> {
        Some(CheckerBuilder::of("confd", self.confd.as_ref()?))
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable).filter(|value| !value.is_empty())?;
    Some(PathBuf::from(value))
}

fn there(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "there is no {}", path.display());
    path
}
