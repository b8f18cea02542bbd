//! Compiles the mail templates in: checks every file of `worker/templates`, and writes the table that
//! `src/outbox/templates.rs` includes. A template that is missing, or that has a placeholder which nothing fills, ends
//! the build.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use postern_core::mail::{
    LanguageTag, Letter, Template, check_layout, check_support, parse_durations, parse_sms,
};

const FOLDER: &str = "templates";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let folder = Path::new(FOLDER);
    let layout = read(&folder.join("layout.html"))?;
    check_layout(&layout).map_err(|error| in_file(&folder.join("layout.html"), &error))?;
    let mut table = format!("pub(super) static LAYOUT: &str = {layout:?};\n");
    table.push_str("pub(super) static PACKS: &[Pack] = &[\n");
    for language in languages(folder)? {
        write_pack(&mut table, folder, &language)?;
    }
    table.push_str("];\n");
    let target = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("there is no OUT_DIR")?);
    fs::write(target.join("templates.rs"), table)?;
    Ok(())
}

/// The folders, each named after its language, in the order of their names.
fn languages(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut languages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.parse::<LanguageTag>().map_err(|error| in_file(&entry.path(), &error))?;
            languages.push(name);
        }
    }
    languages.sort();
    if languages.is_empty() { Err("worker/templates has no language".into()) } else { Ok(languages) }
}

fn write_pack(table: &mut String, folder: &Path, language: &str) -> Result<(), Box<dyn Error>> {
    let folder = folder.join(language);
    let support_file = folder.join("support.txt");
    let support = read(&support_file)?;
    check_support(&support).map_err(|error| in_file(&support_file, &error))?;
    let durations_file = folder.join("durations.txt");
    let durations =
        parse_durations(read(&durations_file)?.leak()).map_err(|error| in_file(&durations_file, &error))?;
    writeln!(
        table,
        "Pack {{ language: {language:?}, support: {:?}, durations: {durations:?}, letters: &[",
        support.trim()
    )?;
    let sms_file = folder.join("sms.txt");
    let sms = parse_sms(read(&sms_file)?.leak()).map_err(|error| in_file(&sms_file, &error))?;
    let mut known = vec![support_file, durations_file, sms_file];
    for letter in Letter::ALL {
        let (text_file, html_file) = (
            folder.join(letter.name()).with_extension("txt"),
            folder.join(letter.name()).with_extension("html"),
        );
        let text = read(&text_file)?.leak();
        let html = if html_file.exists() { Some(&*read(&html_file)?.leak()) } else { None };
        let template = Template::parse(letter, text, html).map_err(|error| in_file(&text_file, &error))?;
        writeln!(table, "(Letter::{letter:?}, {template:?}),")?;
        known.extend([text_file, html_file]);
    }
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if !known.contains(&path) {
            return Err(format!("{}: there is no such mail", path.display()).into());
        }
    }
    table.push_str("], sms: &[\n");
    for (letter, text) in sms {
        writeln!(table, "(Letter::{letter:?}, {text:?}),")?;
    }
    table.push_str("] },\n");
    Ok(())
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    fs::read_to_string(path).map_err(|error| in_file(path, &error))
}

fn in_file(path: &Path, error: &dyn std::fmt::Display) -> Box<dyn Error> {
    format!("worker/{}: {error}", path.display()).into()
}
