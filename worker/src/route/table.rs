//! The route table.

use crate::route::admin::status::Verb;
use crate::route::authenticate::presented;
use crate::route::exchange::Exchange;
use crate::route::mailed::Kind;
use crate::route::organizations::{Call, Door};
use crate::route::{
    admin, change_contact, change_password, cookies, health, keys, login, login_by_mail, logout, me, options,
    organizations, own_account, passkeys, possession, reauthenticate, refresh, reset_password, second_factor,
    sent_factor, session, sessions, set_password, sign_up, username, validate, verify_contact,
    verify_sign_up,
};
use crate::wire::answer::Answer;
use crate::wire::problem::Problem;
use postern_core::identifier::IdentifierKind;
use postern_core::organization::InviteAction;
use postern_core::permission::SetKind;
use std::pin::Pin;
use worker::Method;

/// Everything that is served, and nothing else.
#[derive(Clone, Copy)]
enum Route {
    Health,
    Jwks,
    PublicKey,
    Permissions,
    Options,
    Capabilities,
    Metrics,
    ShowAuthorization,
    ReplaceAuthorization,
    AmendAuthorization,
    ChangeRoot,
    ListPermissions,
    CreatePermission,
    ShowPermission,
    DeletePermission,
    ListRoles,
    ShowSet(SetKind),
    DefineSet(SetKind),
    DeleteSet(SetKind),
    ListGroups,
    ListMembers,
    ChangeMembers,
    ListEntitlements,
    GrantEntitlement,
    RevokeEntitlement,
    ListKeys,
    RotateKeys,
    RevokeKey,
    CreateUser,
    ListUsers,
    ShowUser,
    UserAllowed,
    ChangeUser(Verb),
    PurgeUser,
    SetUserPassword,
    SetUserContact(IdentifierKind),
    SetUserVerified(IdentifierKind),
    RemoveUserSecondFactor,
    ShowUserAttempts,
    ListUserSessions,
    RevokeUserSessions,
    ListUserSignIns,
    ListUserHistory,
    ExportUser,
    SignUp,
    ResendSignUp,
    VerifySignUp,
    UsernameAvailable,
    SetPassword,
    ChangePassword,
    RequestEmailChange,
    ResendEmailChange,
    ConfirmEmailChange,
    RequestPhoneChange,
    ResendPhoneChange,
    ConfirmPhoneChange,
    RequestEmailVerification,
    VerifyEmail,
    RequestPhoneVerification,
    VerifyPhone,
    RequestPasswordReset,
    ResetPassword,
    Login,
    RequestLoginCode,
    VerifyLoginCode,
    RequestLoginLink,
    VerifyLoginLink,
    SetUpSecondFactor,
    VerifySecondFactor,
    DisableSecondFactor,
    ReplaceBackupCodes,
    SendSecondFactor,
    BeginPasskey,
    FinishPasskey,
    ListPasskeys,
    RenamePasskey,
    RemovePasskey,
    PasskeyOptions,
    PasskeyLogin,
    Reauthenticate,
    ReauthenticationOptions,
    Refresh,
    Logout,
    Me,
    ChangeMe,
    DeleteMe,
    RemovePhone,
    ExportMe,
    ShowSession,
    ListSessions,
    RevokeSession,
    RevokeAllSessions,
    Validate,
    Organization(Door, Call),
    Owner,
    #[cfg(feature = "development")]
    DevelopmentMailbox,
    #[cfg(feature = "development")]
    DevelopmentOperations,
    #[cfg(feature = "development")]
    DevelopmentPanic,
    #[cfg(feature = "development")]
    DevelopmentTwoWrites,
}

/// Method, path and route. A `*` stands for one segment; there are at most two.
const COMMON: &str = "/api/v1/auth/";

const ROUTES: &[(Method, &str, Route)] = &[
    (Method::Get, "/health", Route::Health),
    (Method::Get, "/.well-known/jwks.json", Route::Jwks),
    (Method::Head, "/.well-known/jwks.json", Route::Jwks),
    (Method::Get, "/api/v1/auth/public-key", Route::PublicKey),
    (Method::Head, "/api/v1/auth/public-key", Route::PublicKey),
    (Method::Get, "/api/v1/auth/permissions", Route::Permissions),
    (Method::Head, "/api/v1/auth/permissions", Route::Permissions),
    (Method::Get, "/api/v1/auth/options", Route::Options),
    (Method::Head, "/api/v1/auth/options", Route::Options),
    (Method::Get, "/api/v1/auth/admin/capabilities", Route::Capabilities),
    (Method::Get, "/api/v1/auth/admin/metrics", Route::Metrics),
    (Method::Get, "/api/v1/auth/admin/users/*/authorization", Route::ShowAuthorization),
    (Method::Put, "/api/v1/auth/admin/users/*/authorization", Route::ReplaceAuthorization),
    (Method::Patch, "/api/v1/auth/admin/users/*/authorization", Route::AmendAuthorization),
    (Method::Post, "/api/v1/auth/admin/users/*/authorization/root", Route::ChangeRoot),
    (Method::Get, "/api/v1/auth/admin/permissions", Route::ListPermissions),
    (Method::Post, "/api/v1/auth/admin/permissions", Route::CreatePermission),
    (Method::Get, "/api/v1/auth/admin/permissions/*", Route::ShowPermission),
    (Method::Delete, "/api/v1/auth/admin/permissions/*", Route::DeletePermission),
    (Method::Get, "/api/v1/auth/admin/roles", Route::ListRoles),
    (Method::Get, "/api/v1/auth/admin/roles/*", Route::ShowSet(SetKind::Role)),
    (Method::Put, "/api/v1/auth/admin/roles/*", Route::DefineSet(SetKind::Role)),
    (Method::Delete, "/api/v1/auth/admin/roles/*", Route::DeleteSet(SetKind::Role)),
    (Method::Get, "/api/v1/auth/admin/groups", Route::ListGroups),
    (Method::Get, "/api/v1/auth/admin/groups/*", Route::ShowSet(SetKind::Group)),
    (Method::Put, "/api/v1/auth/admin/groups/*", Route::DefineSet(SetKind::Group)),
    (Method::Delete, "/api/v1/auth/admin/groups/*", Route::DeleteSet(SetKind::Group)),
    (Method::Get, "/api/v1/auth/admin/groups/*/members", Route::ListMembers),
    (Method::Post, "/api/v1/auth/admin/groups/*/members", Route::ChangeMembers),
    (Method::Get, "/api/v1/auth/admin/users/*/entitlements", Route::ListEntitlements),
    (Method::Post, "/api/v1/auth/admin/users/*/entitlements", Route::GrantEntitlement),
    (Method::Post, "/api/v1/auth/admin/users/*/entitlements/revoke", Route::RevokeEntitlement),
    (Method::Get, "/api/v1/auth/admin/keys", Route::ListKeys),
    (Method::Post, "/api/v1/auth/admin/keys/rotate", Route::RotateKeys),
    (Method::Post, "/api/v1/auth/admin/keys/*/revoke", Route::RevokeKey),
    (Method::Post, "/api/v1/auth/admin/users", Route::CreateUser),
    (Method::Get, "/api/v1/auth/admin/users", Route::ListUsers),
    (Method::Get, "/api/v1/auth/admin/users/*", Route::ShowUser),
    (Method::Delete, "/api/v1/auth/admin/users/*", Route::ChangeUser(Verb::Delete)),
    (Method::Get, "/api/v1/auth/admin/users/*/allowed", Route::UserAllowed),
    (Method::Post, "/api/v1/auth/admin/users/*/ban", Route::ChangeUser(Verb::Ban)),
    (Method::Post, "/api/v1/auth/admin/users/*/unban", Route::ChangeUser(Verb::Unban)),
    (Method::Post, "/api/v1/auth/admin/users/*/disable", Route::ChangeUser(Verb::Disable)),
    (Method::Post, "/api/v1/auth/admin/users/*/enable", Route::ChangeUser(Verb::Enable)),
    (Method::Post, "/api/v1/auth/admin/users/*/lock", Route::ChangeUser(Verb::Lock)),
    (Method::Post, "/api/v1/auth/admin/users/*/unlock", Route::ChangeUser(Verb::Unlock)),
    (Method::Post, "/api/v1/auth/admin/users/*/restore", Route::ChangeUser(Verb::Restore)),
    (Method::Post, "/api/v1/auth/admin/users/*/purge", Route::PurgeUser),
    (Method::Post, "/api/v1/auth/admin/users/*/set-password", Route::SetUserPassword),
    (Method::Post, "/api/v1/auth/admin/users/*/set-email", Route::SetUserContact(IdentifierKind::Email)),
    (Method::Post, "/api/v1/auth/admin/users/*/set-phone", Route::SetUserContact(IdentifierKind::Phone)),
    (
        Method::Post,
        "/api/v1/auth/admin/users/*/set-email-verified",
        Route::SetUserVerified(IdentifierKind::Email),
    ),
    (
        Method::Post,
        "/api/v1/auth/admin/users/*/set-phone-verified",
        Route::SetUserVerified(IdentifierKind::Phone),
    ),
    (Method::Post, "/api/v1/auth/admin/users/*/remove-second-factor", Route::RemoveUserSecondFactor),
    (Method::Get, "/api/v1/auth/admin/users/*/attempts", Route::ShowUserAttempts),
    (Method::Get, "/api/v1/auth/admin/users/*/sessions", Route::ListUserSessions),
    (Method::Post, "/api/v1/auth/admin/users/*/revoke-sessions", Route::RevokeUserSessions),
    (Method::Get, "/api/v1/auth/admin/users/*/sign-ins", Route::ListUserSignIns),
    (Method::Get, "/api/v1/auth/admin/users/*/history", Route::ListUserHistory),
    (Method::Get, "/api/v1/auth/admin/users/*/export", Route::ExportUser),
    (Method::Post, "/api/v1/auth/signup", Route::SignUp),
    (Method::Post, "/api/v1/auth/resend-signup", Route::ResendSignUp),
    (Method::Post, "/api/v1/auth/verify-signup", Route::VerifySignUp),
    (Method::Get, "/api/v1/auth/username-available", Route::UsernameAvailable),
    (Method::Post, "/api/v1/auth/set-password", Route::SetPassword),
    (Method::Post, "/api/v1/auth/change-password", Route::ChangePassword),
    (Method::Post, "/api/v1/auth/request-email-change", Route::RequestEmailChange),
    (Method::Post, "/api/v1/auth/resend-email-change", Route::ResendEmailChange),
    (Method::Post, "/api/v1/auth/confirm-email-change", Route::ConfirmEmailChange),
    (Method::Post, "/api/v1/auth/request-phone-change", Route::RequestPhoneChange),
    (Method::Post, "/api/v1/auth/resend-phone-change", Route::ResendPhoneChange),
    (Method::Post, "/api/v1/auth/confirm-phone-change", Route::ConfirmPhoneChange),
    (Method::Post, "/api/v1/auth/request-email-verification", Route::RequestEmailVerification),
    (Method::Post, "/api/v1/auth/verify-email", Route::VerifyEmail),
    (Method::Post, "/api/v1/auth/request-phone-verification", Route::RequestPhoneVerification),
    (Method::Post, "/api/v1/auth/verify-phone", Route::VerifyPhone),
    (Method::Post, "/api/v1/auth/request-password-reset", Route::RequestPasswordReset),
    (Method::Post, "/api/v1/auth/reset-password", Route::ResetPassword),
    (Method::Post, "/api/v1/auth/login", Route::Login),
    (Method::Post, "/api/v1/auth/request-otp", Route::RequestLoginCode),
    (Method::Post, "/api/v1/auth/verify-login", Route::VerifyLoginCode),
    (Method::Post, "/api/v1/auth/request-login-link", Route::RequestLoginLink),
    (Method::Post, "/api/v1/auth/verify-login-link", Route::VerifyLoginLink),
    (Method::Post, "/api/v1/auth/2fa/setup", Route::SetUpSecondFactor),
    (Method::Post, "/api/v1/auth/2fa/verify", Route::VerifySecondFactor),
    (Method::Post, "/api/v1/auth/2fa/disable", Route::DisableSecondFactor),
    (Method::Post, "/api/v1/auth/2fa/backup-codes", Route::ReplaceBackupCodes),
    (Method::Post, "/api/v1/auth/2fa/send", Route::SendSecondFactor),
    (Method::Post, "/api/v1/auth/passkeys/registration", Route::BeginPasskey),
    (Method::Post, "/api/v1/auth/passkeys", Route::FinishPasskey),
    (Method::Get, "/api/v1/auth/passkeys", Route::ListPasskeys),
    (Method::Patch, "/api/v1/auth/passkeys/*", Route::RenamePasskey),
    (Method::Delete, "/api/v1/auth/passkeys/*", Route::RemovePasskey),
    (Method::Post, "/api/v1/auth/passkeys/authentication", Route::PasskeyOptions),
    (Method::Post, "/api/v1/auth/passkeys/login", Route::PasskeyLogin),
    (Method::Post, "/api/v1/auth/reauthenticate", Route::Reauthenticate),
    (Method::Post, "/api/v1/auth/reauthenticate/passkey", Route::ReauthenticationOptions),
    (Method::Post, "/api/v1/auth/refresh", Route::Refresh),
    (Method::Post, "/api/v1/auth/logout", Route::Logout),
    (Method::Get, "/api/v1/auth/me", Route::Me),
    (Method::Patch, "/api/v1/auth/me", Route::ChangeMe),
    (Method::Delete, "/api/v1/auth/me", Route::DeleteMe),
    (Method::Delete, "/api/v1/auth/me/phone", Route::RemovePhone),
    (Method::Get, "/api/v1/auth/me/export", Route::ExportMe),
    (Method::Get, "/api/v1/auth/session", Route::ShowSession),
    (Method::Get, "/api/v1/auth/sessions", Route::ListSessions),
    (Method::Post, "/api/v1/auth/sessions/revoke-all", Route::RevokeAllSessions),
    (Method::Delete, "/api/v1/auth/sessions/*", Route::RevokeSession),
    (Method::Post, "/api/v1/auth/validate", Route::Validate),
    (Method::Get, "/api/v1/auth/organizations", Route::Organization(Door::Own, Call::List)),
    (Method::Post, "/api/v1/auth/organizations", Route::Organization(Door::Own, Call::Create)),
    (Method::Get, "/api/v1/auth/organizations/personal", Route::Organization(Door::Own, Call::Personal)),
    (
        Method::Post,
        "/api/v1/auth/organizations/personal",
        Route::Organization(Door::Own, Call::CreatePersonal),
    ),
    (Method::Get, "/api/v1/auth/organizations/*", Route::Organization(Door::Own, Call::Show)),
    (Method::Patch, "/api/v1/auth/organizations/*", Route::Organization(Door::Own, Call::Change)),
    (Method::Get, "/api/v1/auth/organizations/*/members", Route::Organization(Door::Own, Call::Members)),
    (Method::Get, "/api/v1/auth/organizations/*/members/*", Route::Organization(Door::Own, Call::ShowMember)),
    (
        Method::Patch,
        "/api/v1/auth/organizations/*/members/*",
        Route::Organization(Door::Own, Call::AmendMember),
    ),
    (
        Method::Delete,
        "/api/v1/auth/organizations/*/members/*",
        Route::Organization(Door::Own, Call::RemoveMember),
    ),
    (Method::Get, "/api/v1/auth/organizations/*/roles", Route::Organization(Door::Own, Call::Roles)),
    (Method::Put, "/api/v1/auth/organizations/*/roles/*", Route::Organization(Door::Own, Call::DefineRole)),
    (
        Method::Delete,
        "/api/v1/auth/organizations/*/roles/*",
        Route::Organization(Door::Own, Call::DeleteRole),
    ),
    (Method::Get, "/api/v1/auth/admin/organizations", Route::Organization(Door::Operator, Call::List)),
    (Method::Post, "/api/v1/auth/admin/organizations", Route::Organization(Door::Operator, Call::Create)),
    (Method::Get, "/api/v1/auth/admin/organizations/*", Route::Organization(Door::Operator, Call::Show)),
    (Method::Patch, "/api/v1/auth/admin/organizations/*", Route::Organization(Door::Operator, Call::Change)),
    (
        Method::Get,
        "/api/v1/auth/admin/organizations/*/members",
        Route::Organization(Door::Operator, Call::Members),
    ),
    (
        Method::Post,
        "/api/v1/auth/admin/organizations/*/members",
        Route::Organization(Door::Operator, Call::AddMember),
    ),
    (
        Method::Get,
        "/api/v1/auth/admin/organizations/*/members/*",
        Route::Organization(Door::Operator, Call::ShowMember),
    ),
    (
        Method::Patch,
        "/api/v1/auth/admin/organizations/*/members/*",
        Route::Organization(Door::Operator, Call::AmendMember),
    ),
    (
        Method::Delete,
        "/api/v1/auth/admin/organizations/*/members/*",
        Route::Organization(Door::Operator, Call::RemoveMember),
    ),
    (
        Method::Get,
        "/api/v1/auth/admin/organizations/*/roles",
        Route::Organization(Door::Operator, Call::Roles),
    ),
    (
        Method::Put,
        "/api/v1/auth/admin/organizations/*/roles/*",
        Route::Organization(Door::Operator, Call::DefineRole),
    ),
    (
        Method::Delete,
        "/api/v1/auth/admin/organizations/*/roles/*",
        Route::Organization(Door::Operator, Call::DeleteRole),
    ),
    (
        Method::Get,
        "/api/v1/auth/admin/users/*/organizations",
        Route::Organization(Door::Operator, Call::ListOfUser),
    ),
    (Method::Post, "/api/v1/auth/organizations/*/invites", Route::Organization(Door::Own, Call::Invite)),
    (Method::Get, "/api/v1/auth/organizations/*/invites", Route::Organization(Door::Own, Call::Invites)),
    (
        Method::Delete,
        "/api/v1/auth/organizations/*/invites/*",
        Route::Organization(Door::Own, Call::RevokeInvite),
    ),
    (
        Method::Post,
        "/api/v1/auth/admin/organizations/*/invites",
        Route::Organization(Door::Operator, Call::Invite),
    ),
    (
        Method::Get,
        "/api/v1/auth/admin/organizations/*/invites",
        Route::Organization(Door::Operator, Call::Invites),
    ),
    (
        Method::Delete,
        "/api/v1/auth/admin/organizations/*/invites/*",
        Route::Organization(Door::Operator, Call::RevokeInvite),
    ),
    (Method::Get, "/api/v1/auth/organization-invites", Route::Organization(Door::Own, Call::OwnInvites)),
    (
        Method::Post,
        "/api/v1/auth/organization-invites/accept",
        Route::Organization(Door::Own, Call::AnswerMailed(InviteAction::Accept)),
    ),
    (
        Method::Post,
        "/api/v1/auth/organization-invites/decline",
        Route::Organization(Door::Own, Call::AnswerMailed(InviteAction::Decline)),
    ),
    (
        Method::Post,
        "/api/v1/auth/organization-invites/*/accept",
        Route::Organization(Door::Own, Call::AnswerInvite(InviteAction::Accept)),
    ),
    (
        Method::Post,
        "/api/v1/auth/organization-invites/*/decline",
        Route::Organization(Door::Own, Call::AnswerInvite(InviteAction::Decline)),
    ),
    (Method::Get, "/api/v1/auth/owners/*", Route::Owner),
    #[cfg(feature = "development")]
    (Method::Get, "/dev/mailbox", Route::DevelopmentMailbox),
    #[cfg(feature = "development")]
    (Method::Get, "/dev/operations", Route::DevelopmentOperations),
    #[cfg(feature = "development")]
    (Method::Post, "/dev/panic", Route::DevelopmentPanic),
    #[cfg(feature = "development")]
    (Method::Post, "/dev/two-writes", Route::DevelopmentTwoWrites),
];

impl Route {
    /// Whether a request may be answered with a session, so that it has to come from a device that can be bound.
    const fn opens_session(self) -> bool {
        matches!(
            self,
            Self::Login
                | Self::VerifyLoginCode
                | Self::VerifyLoginLink
                | Self::VerifySignUp
                | Self::VerifySecondFactor
                | Self::PasskeyLogin
        )
    }
}

/// Every answer behind a pointer, so that each route is a function of its own: an engine that compiles functions when
/// they are first called compiles one route and not all, and a request takes the memory of its route alone.
macro_rules! each_on_its_own {
    (match $route:ident { $($(#[$attribute:meta])* $pattern:pat => $answer:expr,)* }) => {
        match $route { $($(#[$attribute])* $pattern => Box::pin(async move { $answer }),)* }
    };
}

/// Whether a path is the deployment's, whichever tenants there are: keys and the registry of permissions are.
pub(crate) fn is_for_all_tenants(path: &str) -> bool {
    let Some(path) = path.strip_prefix(COMMON) else { return true };
    matches!(path, "public-key" | "permissions")
}

/// Whether the shield counts requests to a path. Documents are the same for everybody, and servers ask about the tokens of
/// all their clients from one address.
pub(crate) fn is_shielded(path: &str) -> bool {
    !is_for_all_tenants(path) && path != "/api/v1/auth/validate"
}

/// Serves one request.
pub(crate) async fn serve(exchange: &Exchange) -> Answer {
    let path = exchange.request.path();
    let (route, [segment, second]) = find(exchange.request.method(), path)?;
    if route.opens_session() {
        exchange.check_device()?;
    }
    let signs_in = exchange.environment.config().registration().auto_login;
    let opens = route.opens_session() || (signs_in && matches!(route, Route::SignUp));
    // A refresh token in a body becomes a cookie where there are only those.
    let gives_tokens = opens || matches!(route, Route::Refresh);
    cookies::check_site(exchange, gives_tokens)?;
    if gives_tokens {
        // A second factor is also confirmed within a session, which has its key or none already.
        let has_session = matches!(route, Route::VerifySecondFactor) && presented(exchange).is_some();
        Box::pin(possession::note(exchange, opens, has_session)).await?;
    }
    let serving: Pin<Box<dyn Future<Output = Answer> + '_>> = each_on_its_own!(match route {
        Route::Health => health::handle(exchange).await,
        Route::Jwks => keys::jwks(exchange).await,
        Route::PublicKey => keys::public_key(exchange).await,
        Route::Permissions => keys::permissions(exchange),
        Route::Options => options::show(exchange),
        Route::Capabilities => admin::capabilities::show(exchange).await,
        Route::Metrics => admin::metrics::show(exchange).await,
        Route::ShowAuthorization => admin::authorization::show(exchange, segment).await,
        Route::ReplaceAuthorization => admin::authorization::replace(exchange, segment).await,
        Route::AmendAuthorization => admin::authorization::amend(exchange, segment).await,
        Route::ChangeRoot => admin::authorization::root(exchange, segment).await,
        Route::ListPermissions => admin::permissions::list(exchange).await,
        Route::CreatePermission => admin::permissions::create(exchange).await,
        Route::ShowPermission => admin::permissions::show(exchange, segment).await,
        Route::DeletePermission => admin::permissions::delete(exchange, segment).await,
        Route::ListRoles => admin::permission_sets::list(exchange).await,
        Route::ShowSet(kind) => admin::permission_sets::show(exchange, kind, segment).await,
        Route::DefineSet(kind) => admin::permission_sets::define(exchange, kind, segment).await,
        Route::DeleteSet(kind) => admin::permission_sets::delete(exchange, kind, segment).await,
        Route::ListGroups => admin::groups::list(exchange).await,
        Route::ListMembers => admin::groups::members(exchange, segment).await,
        Route::ChangeMembers => admin::groups::change(exchange, segment).await,
        Route::ListEntitlements => admin::entitlements::list(exchange, segment).await,
        Route::GrantEntitlement => admin::entitlements::grant(exchange, segment).await,
        Route::RevokeEntitlement => admin::entitlements::revoke(exchange, segment).await,
        Route::ListKeys => admin::keys::list(exchange).await,
        Route::RotateKeys => admin::keys::rotate(exchange).await,
        Route::RevokeKey => admin::keys::revoke(exchange, segment).await,
        Route::CreateUser => admin::create_user::handle(exchange).await,
        Route::ListUsers => admin::users::list(exchange).await,
        Route::ShowUser => admin::users::show(exchange, segment).await,
        Route::UserAllowed => admin::users::allowed(exchange, segment).await,
        Route::ChangeUser(verb) => admin::status::change(exchange, segment, verb).await,
        Route::PurgeUser => admin::status::purge(exchange, segment).await,
        Route::SetUserPassword => admin::credentials::set_password(exchange, segment).await,
        Route::SetUserContact(kind) => admin::credentials::set_contact(exchange, segment, kind).await,
        Route::SetUserVerified(kind) => admin::credentials::set_verified(exchange, segment, kind).await,
        Route::RemoveUserSecondFactor => admin::second_factor::remove(exchange, segment).await,
        Route::ShowUserAttempts => admin::attempts::show(exchange, segment).await,
        Route::ListUserSessions => admin::traces::sessions(exchange, segment).await,
        Route::RevokeUserSessions => admin::traces::revoke_sessions(exchange, segment).await,
        Route::ListUserSignIns => admin::traces::sign_ins(exchange, segment).await,
        Route::ListUserHistory => admin::traces::history(exchange, segment).await,
        Route::ExportUser => admin::traces::export(exchange, segment).await,
        Route::SignUp => sign_up::handle(exchange).await,
        Route::ResendSignUp => sign_up::resend(exchange).await,
        Route::UsernameAvailable => username::available(exchange).await,
        Route::VerifySignUp => verify_sign_up::handle(exchange).await,
        Route::SetPassword => set_password::handle(exchange).await,
        Route::ChangePassword => change_password::handle(exchange).await,
        Route::RequestEmailChange => change_contact::request(exchange, IdentifierKind::Email).await,
        Route::ResendEmailChange => change_contact::resend(exchange, IdentifierKind::Email).await,
        Route::ConfirmEmailChange => change_contact::confirm(exchange, IdentifierKind::Email).await,
        Route::RequestPhoneChange => change_contact::request(exchange, IdentifierKind::Phone).await,
        Route::ResendPhoneChange => change_contact::resend(exchange, IdentifierKind::Phone).await,
        Route::ConfirmPhoneChange => change_contact::confirm(exchange, IdentifierKind::Phone).await,
        Route::RequestEmailVerification => verify_contact::request(exchange, IdentifierKind::Email).await,
        Route::VerifyEmail => verify_contact::confirm(exchange, IdentifierKind::Email).await,
        Route::RequestPhoneVerification => verify_contact::request(exchange, IdentifierKind::Phone).await,
        Route::VerifyPhone => verify_contact::confirm(exchange, IdentifierKind::Phone).await,
        Route::RequestPasswordReset => reset_password::request(exchange).await,
        Route::ResetPassword => reset_password::confirm(exchange).await,
        Route::RequestLoginCode => login_by_mail::request(exchange, Kind::Code).await,
        Route::VerifyLoginCode => login_by_mail::verify(exchange, Kind::Code).await,
        Route::RequestLoginLink => login_by_mail::request(exchange, Kind::Link).await,
        Route::VerifyLoginLink => login_by_mail::verify(exchange, Kind::Link).await,
        Route::Login => login::handle(exchange).await,
        Route::SetUpSecondFactor => second_factor::set_up(exchange).await,
        Route::VerifySecondFactor => second_factor::verify(exchange).await,
        Route::DisableSecondFactor => second_factor::disable(exchange).await,
        Route::ReplaceBackupCodes => second_factor::replace_backup_codes(exchange).await,
        Route::SendSecondFactor => sent_factor::send(exchange).await,
        Route::BeginPasskey => passkeys::begin(exchange).await,
        Route::FinishPasskey => passkeys::finish(exchange).await,
        Route::ListPasskeys => passkeys::list(exchange).await,
        Route::RenamePasskey => passkeys::rename(exchange, segment).await,
        Route::RemovePasskey => passkeys::remove(exchange, segment).await,
        Route::PasskeyOptions => passkeys::options(exchange).await,
        Route::PasskeyLogin => passkeys::login(exchange).await,
        Route::Reauthenticate => reauthenticate::handle(exchange).await,
        Route::ReauthenticationOptions => reauthenticate::options(exchange).await,
        Route::Refresh => refresh::handle(exchange).await,
        Route::Logout => logout::handle(exchange).await,
        Route::Me => me::handle(exchange).await,
        Route::ChangeMe => me::change(exchange).await,
        Route::DeleteMe => own_account::delete(exchange).await,
        Route::RemovePhone => change_contact::remove_phone(exchange).await,
        Route::ExportMe => own_account::export(exchange).await,
        Route::ShowSession => session::show(exchange).await,
        Route::ListSessions => sessions::list(exchange).await,
        Route::RevokeSession => sessions::revoke_one(exchange, segment).await,
        Route::RevokeAllSessions => sessions::revoke_all(exchange).await,
        Route::Validate => validate::handle(exchange).await,
        Route::Organization(door, call) =>
            organizations::serve(exchange, door, call, [segment, second]).await,
        Route::Owner => organizations::owner(exchange, segment).await,
        #[cfg(feature = "development")]
        Route::DevelopmentMailbox => crate::route::development_mailbox::handle(exchange).await,
        #[cfg(feature = "development")]
        Route::DevelopmentOperations => crate::route::development::operations(),
        #[cfg(feature = "development")]
        Route::DevelopmentPanic => crate::route::development::panic(),
        #[cfg(feature = "development")]
        Route::DevelopmentTwoWrites => crate::route::development::two_writes(exchange).await,
    });
    serving.await
}

/// The route, and the segments that its `*` stand for.
fn find<'a>(method: &Method, path: &'a str) -> Result<(Route, [&'a str; 2]), Problem> {
    // Most paths stand in the table to the letter, and comparing lengths tells nearly all others.
    let is_it = |entry: &&(Method, &str, Route)| entry.1 == path && entry.0 == *method;
    if let Some((_, _, route)) = ROUTES.iter().find(is_it).filter(|_| !path.contains('*')) {
        return Ok((*route, [""; 2]));
    }
    let mut allowed: Vec<&str> = Vec::new();
    for (route_method, pattern, route) in ROUTES {
        if let Some(segments) = matched(pattern, path) {
            if route_method == method {
                return Ok((*route, segments));
            }
            allowed.push(route_method.as_ref());
        }
    }
    if allowed.is_empty() {
        Err(Problem::not_found())
    } else {
        Err(Problem::method_not_allowed(allowed.join(", ")))
    }
}

fn matched<'a>(pattern: &str, path: &'a str) -> Option<[&'a str; 2]> {
    // What nearly all begin with is compared at once.
    let (pattern, path) = match (pattern.strip_prefix(COMMON), path.strip_prefix(COMMON)) {
        (Some(pattern), Some(path)) => (pattern, path),
        (None, None) => (pattern, path),
        _ => return None,
    };
    let mut found = [""; 2];
    let mut places = found.iter_mut();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(found),
            (Some("*"), Some(segment)) if !segment.is_empty() => *places.next()? = segment,
            (Some(part), Some(segment)) if part == segment => {}
            _ => return None,
        }
    }
}
