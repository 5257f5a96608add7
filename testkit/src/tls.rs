//! Certificates made for tests: an authority of our own, good and bad leaves, rustls configurations.
//!
//! The cryptography is always named (`ring`): nothing here depends on, or sets, the default of the process.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

mod clients;

pub use clients::{ClientCertificate, ClientCertificates};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Context, Error, Result};

/// What is right or wrong with a leaf certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Valid for the requested names.
    Good,
    /// Ended in the year 2001.
    Expired,
    /// Begins in the year 3000.
    NotYetValid,
    /// Signed by the authority, but for `wrong-name.invalid` alone.
    WrongName,
    /// Signed by its own key.
    SelfSigned,
    /// Signed by an untrusted authority of the same name.
    OtherAuthority,
}

/// A certificate authority.
pub struct Authority {
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its private key, both as PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate (chain), as PEM.
    pub certificate_pem: String,
    /// The private key (PKCS #8), as PEM.
    pub key_pem: String,
}

impl Authority {
    /// A new authority with a key of its own and this common name.
    ///
    /// # Errors
    /// When the key or the certificate cannot be made.
    pub fn new(name: &str) -> Result<Authority> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer = KeyPair::generate()
            .and_then(|key| CertifiedIssuer::self_signed(params, key))
            .context(|| format!("cannot make the authority {name}"))?;
        Ok(Authority {
            name: name.to_owned(),
            issuer,
        })
    }

    /// The authority's certificate as PEM: what a CA bundle holds.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A leaf certificate for `names` (host names or IP addresses), right or wrong as `leaf` says.
    ///
    /// # Errors
    /// When a name is not a host name or the certificate cannot be made.
    pub fn issue(&self, leaf: Leaf, names: &[&str]) -> Result<Identity> {
        let what = || format!("cannot make a certificate for {names:?}");
        let params = leaf_params(leaf, names).context(what)?;
        self.sign(leaf, &params).context(what)
    }

    /// A certificate for a client of this subject (its common name), right or wrong as `leaf` says.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_client(&self, leaf: Leaf, subject: &str) -> Result<Identity> {
        self.sign_client(leaf, subject, |_| {})
    }

    /// A certificate for a client that is valid from `begins` to `ends`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_client_for(&self, subject: &str, begins: u64, ends: u64) -> Result<Identity> {
        let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        self.sign_client(Leaf::Good, subject, |params| {
            params.not_before = at(begins);
            params.not_after = at(ends);
        })
    }

    fn sign_client(
        &self,
        leaf: Leaf,
        subject: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<Identity> {
        let what = || format!("cannot make a certificate for the client {subject}");
        let mut params = leaf_params(leaf, &[]).context(what)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        self.sign(leaf, &params).context(what)
    }

    fn sign(&self, leaf: Leaf, params: &CertificateParams) -> Result<Identity> {
        let what = || "cannot sign";
        let key = KeyPair::generate().context(what)?;
        let certificate = match leaf {
            Leaf::SelfSigned => params.self_signed(&key),
            Leaf::OtherAuthority => params.signed_by(&key, &Authority::new(&self.name)?.issuer),
            _ => params.signed_by(&key, &self.issuer),
        };
        Ok(Identity {
            certificate_pem: certificate.context(what)?.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// A good leaf for what tests on loopback are called: `localhost`, `127.0.0.1`, `::1` and `extra`.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn issue_for_loopback(&self, extra: Option<IpAddr>) -> Result<Identity> {
        let extra = extra.map(|ip| ip.to_string());
        let mut names = vec!["localhost", "127.0.0.1", "::1"];
        names.extend(
            extra
                .as_deref()
                .filter(|name| *name != "127.0.0.1" && *name != "::1"),
        );
        self.issue(Leaf::Good, &names)
    }
}

impl Identity {
    /// A server that presents this certificate and requests none.
    ///
    /// # Errors
    /// When certificate and key do not match or are not PEM.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>> {
        self.server_config_for(&ClientCertificates::NotAsked)
    }

    /// A server that presents this certificate and requests client certificates according to `clients`.
    ///
    /// # Errors
    /// As [`Identity::server_config`]; when an authority cannot be read.
    pub fn server_config_for(
        &self,
        clients: &ClientCertificates,
    ) -> Result<Arc<rustls::ServerConfig>> {
        let chain = certificates(&self.certificate_pem)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .context(|| "cannot read the private key")?;
        let config = rustls::ServerConfig::builder_with_provider(crypto())
            .with_safe_default_protocol_versions()
            .context(|| "cannot set up a TLS server")?;
        let config = match clients::verifier(clients)? {
            None => config.with_no_client_auth(),
            Some(verifier) => config.with_client_cert_verifier(verifier),
        };
        let mut config = config
            .with_single_cert(chain, key)
            .context(|| "certificate and key do not make a TLS server")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Writes `tls.crt` and `tls.key` into `folder`, which must exist.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_to(&self, folder: &Path) -> Result<()> {
        for (name, text) in [
            ("tls.crt", &self.certificate_pem),
            ("tls.key", &self.key_pem),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, text).context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// What [`Leaf`] says of the certificate itself; who signs it is not part of it.
fn leaf_params(leaf: Leaf, names: &[&str]) -> std::result::Result<CertificateParams, rcgen::Error> {
    let names = match leaf {
        Leaf::WrongName => vec!["wrong-name.invalid".to_owned()],
        _ => names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "scripted provider");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    match leaf {
        Leaf::Expired => {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        Leaf::NotYetValid => {
            params.not_before = date_time_ymd(3000, 1, 1);
            params.not_after = date_time_ymd(3001, 1, 1);
        }
        Leaf::Good | Leaf::WrongName | Leaf::SelfSigned | Leaf::OtherAuthority => {}
    }
    Ok(params)
}

/// A client that trusts the certificates of this PEM text and no others; an empty text trusts none.
///
/// # Errors
/// When the text holds a certificate that cannot be used.
pub fn client_config(ca_pem: &str) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates(ca_pem)? {
        roots
            .add(certificate)
            .context(|| "cannot trust the certificate")?;
    }
    let config = rustls::ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .context(|| "cannot set up a TLS client")?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The cryptography under every configuration here.
#[must_use]
pub fn crypto() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::new(format!("cannot read the certificate as PEM: {error}")))
}
