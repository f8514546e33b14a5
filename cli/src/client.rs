//! The way to the running node: its address and token from the data directory, JSON both ways.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use entente_node::api::address::{decoded, query};
use entente_node::api::problem::ProblemBody;
use entente_node::api::{PROGRESS_TYPE, ROOT, Step};
use entente_node::directory::Directory;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, header};
use ureq::{Agent, Body};

use crate::error::CliError;

const CONNECT_MAX: Duration = Duration::from_secs(3);
const JSON_TYPE: &str = "application/json";
const FILE_TYPE: &str = "application/octet-stream";

/// A connection to the node of a data directory.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    token: String,
    data: String,
}

/// An answer with the cursor of the page after it.
pub struct Paged<T> {
    /// The answer.
    pub page: T,
    /// The next page's cursor.
    pub next: Option<String>,
}

impl Client {
    /// Finds the node of a data directory; does not connect yet.
    pub fn open(directory: &Directory) -> Result<Self, CliError> {
        let data = directory.path().display().to_string();
        if !directory.is_initialised() {
            return Err(CliError::NoOrg { data });
        }
        let (running, token) = (directory.running()?, directory.token()?);
        let (Some(running), Some(token)) = (running, token) else {
            return Err(CliError::Unreachable { data, source: None });
        };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_MAX))
            .max_redirects(0)
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self { agent, base: running.http, token, data })
    }

    /// The page that a browser shows, with the token that lets it in.
    pub fn page_link(&self) -> String {
        format!("{}/?token={}", self.base, self.token)
    }

    /// Reads.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(self.send(Method::GET, path, JSON_TYPE, None)?)
    }

    /// Reads with parameters.
    pub fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &impl Serialize,
    ) -> Result<Paged<T>, CliError> {
        let path = format!("{path}?{}", query(params));
        let response = self.send(Method::GET, &path, JSON_TYPE, None)?;
        let link = response.headers().get(header::LINK).and_then(|value| value.to_str().ok());
        let next = link.and_then(cursor_of);
        Ok(Paged { page: read(response)?, next })
    }

    /// Asks for something to be done.
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        read(self.send(Method::POST, path, JSON_TYPE, Some((json(body)?, JSON_TYPE)))?)
    }

    /// Changes a part.
    pub fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        read(self.send(Method::PATCH, path, JSON_TYPE, Some((json(body)?, JSON_TYPE)))?)
    }

    /// Sets.
    pub fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        read(self.send(Method::PUT, path, JSON_TYPE, Some((json(body)?, JSON_TYPE)))?)
    }

    /// Removes.
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        read(self.send(Method::DELETE, path, JSON_TYPE, None)?)
    }

    /// Asks for something that takes long, and hears how far it has come.
    pub fn work<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        on_progress: impl FnMut(u64, Option<u64>),
    ) -> Result<T, CliError> {
        let body = (json(body)?, JSON_TYPE);
        steps(self.send(Method::POST, path, PROGRESS_TYPE, Some(body))?, on_progress)
    }

    /// Sends a file, and hears how far the work on it has come.
    pub fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &impl Serialize,
        file: Vec<u8>,
        on_progress: impl FnMut(u64, Option<u64>),
    ) -> Result<T, CliError> {
        let path = format!("{path}?{}", query(params));
        let body = Some((file, FILE_TYPE));
        steps(self.send(Method::POST, &path, PROGRESS_TYPE, body)?, on_progress)
    }

    /// Asks for a file.
    pub fn download(&self, path: &str, params: &impl Serialize) -> Result<Vec<u8>, CliError> {
        let path = format!("{path}?{}", query(params));
        let answer = self.send(Method::POST, &path, FILE_TYPE, None)?;
        let mut file = Vec::new();
        answer.into_body().into_reader().read_to_end(&mut file).map_err(CliError::Answer)?;
        Ok(file)
    }

    /// Reads something long, as it comes.
    pub fn stream(&self, path: &str) -> Result<impl Read + use<>, CliError> {
        Ok(self.send(Method::GET, path, PROGRESS_TYPE, None)?.into_body().into_reader())
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<(Vec<u8>, &str)>,
    ) -> Result<Response<Body>, CliError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{ROOT}{path}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::ACCEPT, accept);
        let sent = match body {
            Some((body, kind)) => {
                let request = request.header(header::CONTENT_TYPE, kind).body(body);
                request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
        };
        let mut response = sent.map_err(|source| CliError::Unreachable {
            data: self.data.clone(),
            source: Some(Box::new(source)),
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let problem = serde_json::from_reader::<_, ProblemBody>(response.body_mut().as_reader());
        Err(problem.map_or_else(damaged, |problem| CliError::Node(Box::new(problem))))
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, CliError> {
    serde_json::to_vec(body).map_err(damaged)
}

fn read<T: DeserializeOwned>(response: Response<Body>) -> Result<T, CliError> {
    let reader = BufReader::new(response.into_body().into_reader());
    serde_json::from_reader(reader).map_err(damaged)
}

fn steps<T: DeserializeOwned>(
    response: Response<Body>,
    mut on_progress: impl FnMut(u64, Option<u64>),
) -> Result<T, CliError> {
    for line in BufReader::new(response.into_body().into_reader()).lines() {
        match serde_json::from_str(&line.map_err(CliError::Answer)?).map_err(damaged)? {
            Step::Progress { done, total } => on_progress(done, total),
            Step::Result(result) => return Ok(result),
            Step::Problem(problem) => return Err(CliError::Node(Box::new(problem))),
        }
    }
    Err(CliError::Answer(std::io::ErrorKind::UnexpectedEof.into()))
}

fn damaged(error: serde_json::Error) -> CliError {
    CliError::Answer(error.into())
}

/// The cursor in `<…?cursor=C&…>; rel="next"`.
fn cursor_of(link: &str) -> Option<String> {
    let (uri, rel) = link.strip_prefix('<')?.split_once('>')?;
    if !rel.contains("rel=\"next\"") {
        return None;
    }
    let (_, query) = uri.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).map(decoded)
}
