//! The endpoints, one file each: parse, load, decide, commit, respond.

pub(crate) mod admin;
pub(crate) mod authenticate;
mod breach;
pub(crate) mod change_contact;
pub(crate) mod change_password;
pub(crate) mod contact;
mod cookies;
#[cfg(feature = "development")]
pub(crate) mod development;
#[cfg(feature = "development")]
pub(crate) mod development_mailbox;
pub(crate) mod exchange;
pub(crate) mod health;
pub(crate) mod immediate_sign_up;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod login_by_mail;
pub(crate) mod logout;
pub(crate) mod mailed;
pub(crate) mod me;
pub(crate) mod options;
pub(crate) mod organizations;
pub(crate) mod own_account;
pub(crate) mod passkeys;
pub(crate) mod password;
pub(crate) mod possession;
pub(crate) mod presence;
mod reauthenticate;
pub(crate) mod recovery;
pub(crate) mod refresh;
pub(crate) mod reset_password;
pub(crate) mod second_factor;
pub(crate) mod sent_factor;
mod session;
pub(crate) mod sessions;
pub(crate) mod set_password;
pub(crate) mod sign_up;
pub(crate) mod table;
pub(crate) mod tokens;
pub(crate) mod turn;
pub(crate) mod turnstile;
pub(crate) mod username;
pub(crate) mod validate;
pub(crate) mod verify_contact;
pub(crate) mod verify_sign_up;
