//! Which mails there are, and what each has to say.

/// One kind of mail. Every language has a template for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// Somebody tried to sign up with an address that has an account.
    AccountExists,
    /// Somebody wants this address for another account.
    AddressTaken,
    /// The code that confirms a sign-up.
    SignUpCode,
    /// The code that signs in.
    LoginCode,
    /// The code that is the second factor.
    SecondFactorCode,
    /// The code that proves an address which came without proof.
    VerifyAddressCode,
    /// The code that makes this the address of an account.
    ChangeAddressCode,
    /// The code that resets the password.
    ResetPasswordCode,
    /// The link that sets the first password.
    SetPasswordLink,
    /// The link that resets the password.
    ResetPasswordLink,
    /// The link that signs in.
    LoginLink,
    /// The link that proves an address which came without proof.
    VerifyAddressLink,
    /// The link that makes whoever signs in with it a member of an organization.
    OrganizationInvite,
    /// A session was ended because its refresh token had been used twice.
    SessionEnded,
    /// The password was changed.
    PasswordChanged,
    /// The password was reset by mail.
    PasswordReset,
    /// An operator has changed or removed the password.
    PasswordSet,
    /// The account has another address now.
    AddressChanged,
    /// The account has another phone number now.
    PhoneChanged,
    /// The account has no phone number any more.
    PhoneRemoved,
    /// The account has a second factor now.
    SecondFactorEnabled,
    /// The account has other backup codes.
    BackupCodesReplaced,
    /// The owner has removed the second factor.
    SecondFactorDisabled,
    /// An operator has removed the second factor.
    SecondFactorRemoved,
    /// A passkey was registered.
    PasskeyRegistered,
    /// A passkey was removed.
    PasskeyRemoved,
    /// Second factors were wrong too often, and none is compared for a while.
    SecondFactorPaused,
    /// The account exists since a moment ago.
    Welcome,
    /// Somebody signed in from a device that the account has not seen lately.
    NewDevice,
    /// The password was tried in vain too often, and is not compared for a while.
    PasswordLocked,
}

impl Letter {
    /// All kinds.
    pub const ALL: [Self; 30] = [
        Self::AccountExists,
        Self::AddressTaken,
        Self::SignUpCode,
        Self::LoginCode,
        Self::SecondFactorCode,
        Self::VerifyAddressCode,
        Self::ChangeAddressCode,
        Self::ResetPasswordCode,
        Self::SetPasswordLink,
        Self::ResetPasswordLink,
        Self::LoginLink,
        Self::VerifyAddressLink,
        Self::OrganizationInvite,
        Self::SessionEnded,
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::PasswordSet,
        Self::AddressChanged,
        Self::PhoneChanged,
        Self::PhoneRemoved,
        Self::SecondFactorEnabled,
        Self::BackupCodesReplaced,
        Self::SecondFactorDisabled,
        Self::SecondFactorRemoved,
        Self::PasskeyRegistered,
        Self::PasskeyRemoved,
        Self::SecondFactorPaused,
        Self::Welcome,
        Self::NewDevice,
        Self::PasswordLocked,
    ];

    /// The name of its template's files, without their ending, and what mail services know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountExists => "account_exists",
            Self::AddressTaken => "address_taken",
            Self::SignUpCode => "sign_up_code",
            Self::LoginCode => "login_code",
            Self::SecondFactorCode => "second_factor_code",
            Self::VerifyAddressCode => "verify_address_code",
            Self::ChangeAddressCode => "change_address_code",
            Self::ResetPasswordCode => "reset_password_code",
            Self::SetPasswordLink => "set_password_link",
            Self::ResetPasswordLink => "reset_password_link",
            Self::LoginLink => "login_link",
            Self::VerifyAddressLink => "verify_address_link",
            Self::OrganizationInvite => "organization_invite",
            Self::SessionEnded => "session_ended",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::PasswordSet => "password_set",
            Self::AddressChanged => "address_changed",
            Self::PhoneChanged => "phone_changed",
            Self::PhoneRemoved => "phone_removed",
            Self::SecondFactorEnabled => "second_factor_enabled",
            Self::BackupCodesReplaced => "backup_codes_replaced",
            Self::SecondFactorDisabled => "second_factor_disabled",
            Self::SecondFactorRemoved => "second_factor_removed",
            Self::PasskeyRegistered => "passkey_registered",
            Self::PasskeyRemoved => "passkey_removed",
            Self::SecondFactorPaused => "second_factor_paused",
            Self::Welcome => "welcome",
            Self::NewDevice => "new_device",
            Self::PasswordLocked => "password_locked",
        }
    }

    /// The placeholder without which the mail would be for nothing.
    #[must_use]
    pub const fn required(self) -> Option<&'static str> {
        match self {
            Self::SignUpCode
            | Self::LoginCode
            | Self::SecondFactorCode
            | Self::VerifyAddressCode
            | Self::ChangeAddressCode
            | Self::ResetPasswordCode => Some("code"),
            Self::SetPasswordLink
            | Self::ResetPasswordLink
            | Self::LoginLink
            | Self::VerifyAddressLink
            | Self::OrganizationInvite => Some("link"),
            _ => None,
        }
    }

    /// Whether it goes by SMS to an account, or an attempt at one, that has a phone number and no address.
    #[must_use]
    pub const fn goes_by_sms(self) -> bool {
        !matches!(
            self,
            Self::ResetPasswordLink
                | Self::LoginLink
                | Self::VerifyAddressLink
                | Self::OrganizationInvite
                | Self::Welcome
                | Self::NewDevice
        )
    }

    /// Whether the template may have this placeholder. `brand_name` may stand everywhere; a name only where its owner
    /// has proven the address.
    #[must_use]
    pub fn allows(self, placeholder: &str) -> bool {
        let own: &[&str] = match self {
            Self::SetPasswordLink => &["name", "link", "duration"],
            Self::Welcome => &["name"],
            Self::OrganizationInvite => &["organization", "link", "duration"],
            _ => match self.required() {
                Some("code") => &["code", "duration"],
                Some(_) => &["link", "duration"],
                None => &[],
            },
        };
        placeholder == "brand_name" || own.contains(&placeholder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_what_is_required_is_allowed() {
        for (index, letter) in Letter::ALL.into_iter().enumerate() {
            assert!(Letter::ALL.iter().skip(index + 1).all(|other| other.name() != letter.name()));
            assert!(letter.required().is_none_or(|required| letter.allows(required)), "{letter:?}");
            assert!(letter.allows("brand_name"));
            assert!(!letter.allows("password"));
        }
    }

    #[test]
    fn a_name_is_said_only_to_whoever_has_proven_the_address() {
        let naming = Letter::ALL.into_iter().filter(|letter| letter.allows("name"));
        assert!(naming.eq([Letter::SetPasswordLink, Letter::Welcome]));
    }
}
