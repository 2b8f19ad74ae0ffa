//! Small tests of the template engine; whole templates are in `tests/it/templates.rs`.

use std::collections::BTreeMap;

use super::*;

fn render(text: &str) -> Result<String, String> {
    let pairs = [("/k", "v"), ("/n/a", "1"), ("/n/b", "0")];
    let pairs: BTreeMap<_, _> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let template = Template::parse("t.tmpl", text).map_err(|e| e.to_string())?;
    template.render(&pairs).map_err(|e| e.to_string())
}

#[test]
fn a_template_is_rendered() {
    assert_eq!(render("a {{getv \"/k\"}} b").unwrap(), "a v b");
}
