//! `postern import`: the accounts of another system.
//!
//! The whole file is read and checked before anything is written, by the rules that the Worker has. Ids follow from
//! what the file says, and a row that exists is never touched: importing a file again changes nothing. Nothing that is
//! printed names an address or shows a hash.

mod line;
mod people;
mod sql;

use crate::Outcome;
use crate::options::Options;
use crate::project;
use crate::wrangler::{self, StatementFile};
use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use line::Rules;
use people::People;
use postern_core::config::Config;
use postern_core::password::{FirebaseParams, HashKinds};
use serde_json::Value;
use sql::Tenants;
use std::fs::{self, File};
use std::io::BufReader;
use std::iter;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads, checks, writes, and says what became of every line.
pub(crate) fn run(options: &Options) -> Result<Outcome> {
    let deployment = project::configuration(options)?;
    let config = tenant(&deployment, options.tenant.as_deref())?;
    let path = options.file.as_deref().context("which file? postern import FILE.jsonl")?;
    let now_ms = now_ms()?;
    let firebase = options.firebase_hash_config.as_deref().map(firebase_params).transpose()?;
    let defined_roles = if config.permissions().runtime { defined_roles(options)? } else { Vec::new() };
    let rules = Rules {
        permissions: config.permissions(),
        defined_roles: &defined_roles,
        usernames: config.registration().usernames,
        firebase: firebase.as_ref(),
        now_ms,
    };
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let people = match People::read(BufReader::new(file), config.tenant(), &rules)? {
        Ok(people) => people,
        Err(broken) => {
            for one in &broken {
                eprintln!("{one}");
            }
            eprintln!("{} broken rules; nothing was imported", broken.len());
            return Ok(Outcome::Refused);
        }
    };
    say_kinds(&people, config.passwords().imported);
    if options.dry_run {
        println!("{} accounts could be imported; nothing was written", people.len());
        return Ok(Outcome::Fine);
    }
    let mut statements = StatementFile::create(&now_ms.to_string())?;
    let tenants = Tenants::of(&deployment, config.tenant().clone());
    for statement in sql::statements(&people, &tenants, now_ms) {
        statements.append(&statement)?;
    }
    wrangler::execute(options, statements.path())?;
    drop(statements);
    report(options, &people, now_ms)
}

/// The configuration of the tenant that the accounts are for. Where there are several, it has to be said.
fn tenant<'a>(deployment: &'a Config, asked: Option<&str>) -> Result<&'a Config> {
    let settings = deployment.tenants();
    match asked {
        None if settings.are_several() => bail!("which tenant? there are several: --tenant ID"),
        None => Ok(deployment),
        Some(asked) => iter::once(deployment)
            .chain(settings.others())
            .find(|config| config.tenant().as_str() == asked)
            .with_context(|| format!("the configuration has no tenant {asked:?}")),
    }
}

/// The roles that operators have defined: only the database knows them.
fn defined_roles(options: &Options) -> Result<Vec<String>> {
    let rows = wrangler::query(options, sql::DEFINED_ROLES)
        .context("cannot read which roles operators have defined (permissions.runtime)")?;
    let name = |row: &Value| row.get("name").and_then(Value::as_str).map(str::to_owned);
    Ok(rows.iter().filter_map(name).collect())
}

/// Which kinds of hashes there are, and whether the deployment will accept them.
fn say_kinds(people: &People, accepted: HashKinds) {
    for (cost, (kind, count)) in people.costs() {
        let missing = kind.filter(|kind| !accepted.contains(*kind));
        let note = missing.map_or_else(String::new, |kind| {
            format!("; of no use until passwords.imported lists \"{}\"", kind.as_str())
        });
        println!("{count} hashes {cost}{note}");
    }
}

/// The database itself says what was created, and which lines it refused.
fn report(options: &Options, people: &People, now_ms: u64) -> Result<Outcome> {
    let rows = wrangler::query(options, &sql::outcome(now_ms))?;
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |row: &Value| row.get("number").and_then(Value::as_u64).unwrap_or(0);
    let of = |event: &'static str| {
        rows.iter().filter(move |row| row.get("event").and_then(Value::as_str) == Some(event))
    };
    let created: u64 = of(sql::IMPORTED).map(number).sum();
    let mut conflicts: Vec<String> = of(sql::CONFLICT).filter_map(|row| text(row, "detail")).collect();
    conflicts.sort_by_key(|line| (line.len(), line.clone()));
    for line in &conflicts {
        match line.contains(':') {
            true => eprintln!("{line}; the line was left out"),
            false => {
                eprintln!(
                    "{line}: an address, number or name belongs to another account; the line was left out"
                );
            }
        }
    }
    let total = u64::try_from(people.len()).unwrap_or(u64::MAX);
    let in_conflict = u64::try_from(conflicts.len()).unwrap_or(u64::MAX);
    let there = total.saturating_sub(created).saturating_sub(in_conflict);
    println!("{created} accounts created, {there} were there already, {in_conflict} left out");
    Ok(if conflicts.is_empty() { Outcome::Fine } else { Outcome::Attention })
}

fn now_ms() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(u64::try_from(now.as_millis())?)
}

/// The parameters as Firebase's console shows them: `{"rounds", "mem_cost", "base64_salt_separator"}`. The signer key
/// is not asked for: it is the Worker's secret, and a hash is not checked here.
fn firebase_params(path: &Path) -> Result<FirebaseParams> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: Value = serde_json::from_str(&text).context("the Firebase parameters are not JSON")?;
    let number =
        |name: &str| file.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let separator = file.get("base64_salt_separator").and_then(Value::as_str);
    let salt_separator = separator.and_then(|text| STANDARD.decode(text).ok());
    match (number("rounds"), number("mem_cost"), salt_separator) {
        (Some(rounds), Some(mem_cost), Some(salt_separator)) if salt_separator.len() <= 16 => {
            Ok(FirebaseParams { rounds, mem_cost, salt_separator })
        }
        _ => bail!("{} must have rounds, mem_cost and base64_salt_separator", path.display()),
    }
}
