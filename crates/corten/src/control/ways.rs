//! Has the API server know users and permissions as flags and files say, and follow the files. A changed file
//! that is wrong changes nothing.

use super::files::{self, Followed, Outcome};
use super::identification::{IdentityFlags, WebhookFlags};
use anyhow::{Context, Result, bail};
use corten_apiserver::Registry;
use corten_apiserver::http::{Api, Metrics, Reloads};
use corten_apiserver::identity::{Asked, AuthorizerWebhook, OidcAuthenticator, Remote, TokenWebhook};
use corten_auth::authenticate::{TokenAuthenticator, TokenFile, Ways};
use corten_auth::authorize::{
    AuthorizationConfiguration, AuthorizerConfiguration, Mode, Policies, WebhookConfiguration, duration,
};
use corten_auth::oidc::{ALGORITHMS, AnonymousConfiguration, AuthenticationConfiguration, Provider};
use corten_auth::pki::Pki;
use corten_auth::{Authenticator, Authorizer};
use corten_client::http::HttpConfig;
use corten_codec::{Problems, yaml};
use corten_rt::{Clock, Tasks};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the providers of a changed configuration have to show their keys, as upstream's.
const READY: Duration = Duration::from_secs(60);

/// The flags, and what they are about.
pub struct Identification {
    flags: IdentityFlags,
    pki: Arc<Pki>,
    registry: Arc<Registry>,
    authenticator: Arc<Authenticator>,
    authorizer: Arc<Authorizer>,
    metrics: Arc<Metrics>,
    clock: Clock,
    tasks: Tasks,
}

/// Ways to be known, and the providers among them.
struct Made {
    ways: Ways,
    providers: Vec<Arc<OidcAuthenticator>>,
    anonymous: Option<AnonymousConfiguration>,
}

impl Identification {
    /// Of `api`; connections and keys are kept by `tasks`.
    pub fn new(flags: &IdentityFlags, api: &Api, pki: &Arc<Pki>, tasks: &Tasks) -> Arc<Self> {
        Arc::new(Identification {
            flags: flags.clone(),
            pki: Arc::clone(pki),
            registry: Arc::clone(&api.registry),
            authenticator: Arc::clone(&api.authenticator),
            authorizer: Arc::clone(&api.authorizer),
            metrics: Arc::clone(&api.metrics),
            clock: api.clock,
            tasks: tasks.clone(),
        })
    }

    /// Takes over what flags and files say, and follows the files from then on.
    pub fn begin(self: &Arc<Self>, metrics: &Metrics) -> Result<()> {
        let text = self.flags.authentication_config.as_deref().map(files::read).transpose()?;
        let made = self.ways(text.as_deref())?;
        self.authenticator.ways.store(Arc::new(made.ways));
        self.follow_authentication(text, made.anonymous, metrics);
        let text = self.flags.webhooks.authorization_config.as_deref().map(files::read).transpose()?;
        if let Some(modes) = self.modes(text.as_deref())? {
            self.authorizer.set_modes(modes);
        }
        if let Some(text) = text {
            self.follow_authorization(&text, metrics);
        }
        Ok(())
    }

    fn reloads(&self, of: &'static str, text: &[u8], metrics: &Metrics) -> Arc<Reloads> {
        let reloads = Arc::new(Reloads::new(of, &crate::process::host_name(), self.clock, text));
        metrics.reloads.lock().push(Arc::clone(&reloads));
        reloads
    }

    fn follow_authentication(
        self: &Arc<Self>,
        text: Option<Vec<u8>>,
        anonymous: Option<AnonymousConfiguration>,
        metrics: &Metrics,
    ) {
        let reloads = text.map(|text| self.reloads("authentication", &text, metrics));
        let flags = &self.flags;
        let files = [&flags.oidc.oidc_ca_file, &flags.authentication_config].into_iter().flatten().cloned();
        let this = Arc::clone(self);
        Followed::new(files).follow("authentication configuration", &self.tasks, move || {
            let (this, reloads, anonymous) = (Arc::clone(&this), reloads.clone(), anonymous.clone());
            async move {
                let (outcome, done) = match this.reload_ways(anonymous).await {
                    Ok(text) => (Outcome::Done, Ok(text)),
                    Err((outcome, why)) => (outcome, Err(why)),
                };
                told("authentication", reloads.as_deref(), &done);
                outcome
            }
        });
    }

    /// The text that holds from now on. Keys that cannot be fetched may be there later; the rest stays wrong.
    async fn reload_ways(
        &self,
        anonymous: Option<AnonymousConfiguration>,
    ) -> Result<Vec<u8>, (Outcome, anyhow::Error)> {
        let file = self.flags.authentication_config.as_deref();
        let text = file.map(files::read).transpose().map_err(|why| (Outcome::Again, why))?;
        let made = self.ways(text.as_deref()).map_err(|why| (Outcome::Done, why))?;
        if made.anonymous != anonymous {
            let why = anyhow::anyhow!("anonymous: Forbidden: changed from initial configuration file");
            return Err((Outcome::Done, why));
        }
        for provider in &made.providers {
            provider.ready(READY).await.map_err(|why| (Outcome::Again, anyhow::Error::msg(why)))?;
        }
        self.authenticator.ways.store(Arc::new(made.ways));
        Ok(text.unwrap_or_default())
    }

    fn follow_authorization(self: &Arc<Self>, text: &[u8], metrics: &Metrics) {
        let reloads = self.reloads("authorization", text, metrics);
        let this = Arc::clone(self);
        let file = self.flags.webhooks.authorization_config.clone();
        Followed::new(file.clone()).follow("authorization configuration", &self.tasks, move || {
            let read = file.as_deref().map_or(Ok(Vec::new()), files::read);
            let outcome = if read.is_err() { Outcome::Again } else { Outcome::Done };
            let done = read.and_then(|text| {
                if let Some(modes) = this.modes(Some(&text))? {
                    this.authorizer.set_modes(modes);
                }
                Ok(text)
            });
            told("authorization", Some(&reloads), &done);
            std::future::ready(outcome)
        });
    }

    /// What flags say, and `text`, the configuration's file.
    fn ways(&self, text: Option<&[u8]>) -> Result<Made> {
        let flags = &self.flags;
        let configuration = match text {
            Some(_) if !flags.oidc.oidc_issuer_url.is_empty() => {
                bail!("authentication-config file and oidc-* flags are mutually exclusive")
            }
            Some(text) => AuthenticationConfiguration::parse(&json(text)?, &flags.service_account_issuer)
                .map_err(anyhow::Error::msg)
                .context("the authentication configuration")?,
            None => AuthenticationConfiguration::default(),
        };
        let algorithms: Vec<String> = ALGORITHMS.map(str::to_string).to_vec();
        let by_flags = flags.oidc.authenticator()?;
        let all = configuration.jwt.iter().map(|jwt| (jwt, &algorithms));
        let all = all.chain(by_flags.iter().map(|jwt| (jwt, &flags.oidc.oidc_signing_algs)));
        let mut compiled = Vec::new();
        for (jwt, algorithms) in all {
            compiled.push(Provider::new(jwt, algorithms).map_err(anyhow::Error::msg)?);
        }
        let webhook = flags.webhooks.tokens(&self.registry, &self.pki)?;
        let anonymous = flags.anonymous(&configuration)?;
        let front_proxy = Some(Arc::new(flags.proxy.front_proxy(&self.pki)?));
        let start = |provider| {
            let names = self.pki.tokens.audiences().to_vec();
            let outbound = Arc::clone(self.registry.outbound());
            OidcAuthenticator::start(provider, outbound, self.clock, names, &self.tasks)
        };
        let providers: Vec<Arc<OidcAuthenticator>> = compiled.into_iter().map(start).collect();
        let mut tokens: Vec<Arc<dyn TokenAuthenticator>> = Vec::new();
        if let Some(file) = &flags.token_auth_file {
            let (text, name) = (files::read(file)?, file.display().to_string());
            let read = TokenFile::parse(
                &String::from_utf8_lossy(&text),
                &name,
                self.pki.tokens.audiences().to_vec(),
            );
            tokens.push(Arc::new(read.map_err(anyhow::Error::msg)?));
        }
        tokens.extend(providers.iter().map(|provider| Arc::clone(provider) as Arc<dyn TokenAuthenticator>));
        tokens.extend(webhook);
        let without_bootstrap_tokens = !flags.enable_bootstrap_token_auth;
        let ways = Ways { tokens, front_proxy, anonymous, without_bootstrap_tokens };
        Ok(Made { ways, providers, anonymous: configuration.anonymous })
    }

    /// The authorizers by flags, or by `text`, the configuration's file; `None` for the usual ones.
    fn modes(&self, text: Option<&[u8]>) -> Result<Option<Vec<Mode>>> {
        let flags = &self.flags.webhooks;
        let Some(text) = text else { return flags.modes(&self.registry, &self.metrics) };
        if flags.authorization_mode != USUAL || flags.authorization_webhook_config_file.is_some() {
            bail!(
                "--authorization-config can not be specified when --authorization-mode or \
                 --authorization-webhook-* flags are defined"
            );
        }
        let read = AuthorizationConfiguration::parse(&json(text)?).map_err(anyhow::Error::msg);
        let read = read.context("the authorization configuration")?;
        let mode = |one: &AuthorizerConfiguration| match &one.webhook {
            Some(webhook) => hook(&self.registry, webhook, self.metrics.asked.of(&one.name)),
            None if one.kind == "ABAC" => self.flags.webhooks.policies(),
            None => plain(&one.kind),
        };
        read.authorizers.iter().map(mode).collect::<Result<_>>().map(Some)
    }
}

/// Counts a reload, and says what came of it.
fn told(of: &str, reloads: Option<&Reloads>, done: &Result<Vec<u8>>) {
    match done {
        Ok(text) => {
            tracing::info!("the {of} configuration has changed, and holds");
            reloads.into_iter().for_each(|reloads| reloads.succeeded(text));
        }
        Err(why) => {
            let why = format!("{why:#}");
            tracing::error!(why, "the changed {of} configuration was refused; the last one stays");
            reloads.into_iter().for_each(Reloads::failed);
        }
    }
}

impl WebhookFlags {
    fn tokens(&self, registry: &Registry, pki: &Pki) -> Result<Option<Arc<dyn TokenAuthenticator>>> {
        let Some(file) = &self.authentication_token_webhook_config_file else { return Ok(None) };
        let ttl = duration(&self.authentication_token_webhook_cache_ttl).map_err(anyhow::Error::msg)?;
        let (version, names) = (&self.authentication_token_webhook_version, pki.tokens.audiences().to_vec());
        let webhook = TokenWebhook::new(remote(registry, file)?, version, names, ttl);
        Ok(Some(Arc::new(webhook.map_err(anyhow::Error::msg)?)))
    }

    fn modes(&self, registry: &Registry, metrics: &Metrics) -> Result<Option<Vec<Mode>>> {
        self.check()?;
        if self.authorization_mode == USUAL {
            return Ok(None);
        }
        let webhook = || {
            let file = self.authorization_webhook_config_file.as_ref();
            let file = file.context("authorization-mode Webhook's authorization config file not passed")?;
            hook(
                registry,
                &WebhookConfiguration::of_flags(
                    &file.to_string_lossy(),
                    &self.authorization_webhook_version,
                    &self.authorization_webhook_cache_authorized_ttl,
                    &self.authorization_webhook_cache_unauthorized_ttl,
                ),
                metrics.asked.of("webhook"),
            )
        };
        let mode = |name: &String| match name.as_str() {
            "Webhook" => webhook(),
            "ABAC" => self.policies(),
            name => plain(name),
        };
        self.authorization_mode.iter().map(mode).collect::<Result<_>>().map(Some)
    }
}

/// The modes when nothing else is said.
const USUAL: [&str; 2] = ["Node", "RBAC"];
const KNOWN: [&str; 6] = ["AlwaysAllow", "AlwaysDeny", "ABAC", "Webhook", "RBAC", "Node"];

impl WebhookFlags {
    fn policies(&self) -> Result<Mode> {
        let file = self.authorization_policy_file.as_ref();
        let file = file.context("authorization-mode ABAC's authorization policy file not passed")?;
        let text = files::read(file)?;
        let read = Policies::parse(&String::from_utf8_lossy(&text), &file.display().to_string());
        Ok(Mode::Abac(Arc::new(read.map_err(anyhow::Error::msg)?)))
    }

    /// What is wrong with the modes, in upstream's words.
    fn check(&self) -> Result<()> {
        let modes = &self.authorization_mode;
        let has = |mode: &str| modes.iter().any(|one| one == mode);
        if let Some(unknown) = modes.iter().find(|mode| !KNOWN.contains(&mode.as_str())) {
            bail!("authorization-mode {unknown:?} is not a valid mode");
        }
        for (wrong, why) in [
            (modes.is_empty(), "at least one authorization-mode must be passed"),
            (
                has("ABAC") && self.authorization_policy_file.is_none(),
                "authorization-mode ABAC's authorization policy file not passed",
            ),
            (
                has("Webhook") && self.authorization_webhook_config_file.is_none(),
                "authorization-mode Webhook's authorization config file not passed",
            ),
            (
                self.authorization_policy_file.is_some() && !has("ABAC"),
                "cannot specify --authorization-policy-file without mode ABAC",
            ),
            (
                self.authorization_webhook_config_file.is_some() && !has("Webhook"),
                "cannot specify --authorization-webhook-config-file without mode Webhook",
            ),
        ] {
            if wrong {
                bail!("{why}");
            }
        }
        if modes.iter().enumerate().any(|(i, mode)| modes[..i].contains(mode)) {
            bail!("authorization-mode {modes:?} has mode specified more than once");
        }
        Ok(())
    }
}

fn plain(name: &str) -> Result<Mode> {
    Ok(match name {
        "Node" => Mode::Node,
        "RBAC" => Mode::Rbac,
        "AlwaysAllow" => Mode::AlwaysAllow,
        "AlwaysDeny" => Mode::AlwaysDeny,
        other => bail!("authorization-mode {other:?} is not a valid mode"),
    })
}

fn hook(registry: &Registry, webhook: &WebhookConfiguration, asked: Arc<Asked>) -> Result<Mode> {
    let Some(file) = webhook.connection_info.kube_config_file.as_deref() else {
        bail!(
            "connectionInfo of type InClusterConfig is for servers inside of a cluster: name a KubeConfigFile"
        );
    };
    let made = AuthorizerWebhook::new(remote(registry, Path::new(file))?, webhook);
    Ok(Mode::Webhook(Arc::new(made.map_err(anyhow::Error::msg)?.counted(asked))))
}

fn remote(registry: &Registry, file: &Path) -> Result<Remote> {
    let config = HttpConfig::from_kubeconfig(file)?;
    let made = Remote::new(Arc::clone(registry.outbound()), config).map_err(anyhow::Error::msg);
    made.with_context(|| format!("the webhook of {}", file.display()))
}

fn json(text: &[u8]) -> Result<Vec<u8>> {
    Ok(yaml::to_json(text, &mut Problems::ignore()).context("it is neither YAML nor JSON")?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: WebhookFlags,
    }

    #[test]
    fn modes_are_checked_in_upstreams_words() {
        for (line, want) in [
            ("--authorization-mode=RBAC", ""),
            ("--authorization-mode=RBAC,Role", "authorization-mode \"Role\" is not a valid mode"),
            (
                "--authorization-mode=RBAC,RBAC",
                "authorization-mode [\"RBAC\", \"RBAC\"] has mode specified more than once",
            ),
            ("--authorization-mode=ABAC", "authorization-mode ABAC's authorization policy file not passed"),
            (
                "--authorization-mode=Webhook",
                "authorization-mode Webhook's authorization config file not passed",
            ),
            (
                "--authorization-policy-file=/x",
                "cannot specify --authorization-policy-file without mode ABAC",
            ),
            (
                "--authorization-webhook-config-file=/x",
                "cannot specify --authorization-webhook-config-file without mode Webhook",
            ),
            ("--authorization-mode=ABAC --authorization-policy-file=/x", ""),
        ] {
            let line = ["server"].into_iter().chain(line.split(' '));
            let flags = Line::try_parse_from(line).expect("flags").flags;
            assert_eq!(flags.check().err().map(|why| why.to_string()).unwrap_or_default(), want);
        }
    }
}
