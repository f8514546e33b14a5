//! The sentences of the document for a customer, in English and Chinese: for somebody who has
//! never heard of the company or of this program.

use entente_protocol::vocabulary::Kind;

use super::super::words::Lang;
use crate::api::audit::Way;

impl Lang {
    pub(super) fn report_title(self, company: &str) -> String {
        match self {
            Lang::En => format!("What {company} has given to others about you"),
            Lang::Zh => format!("{company}向其他公司提供的您的信息"),
        }
    }

    pub(super) fn report_about(self, company: &str, name: Option<&str>) -> String {
        match (self, name) {
            (Lang::En, Some(name)) => format!(
                "{company} keeps customer data under the name {name}. This document is about those \
                 data."
            ),
            (Lang::En, None) => format!(
                "{company} kept data about a customer and has deleted them. This document says what \
                 it had given to others before."
            ),
            (Lang::Zh, Some(name)) => {
                format!("{company}保存有以“{name}”为名的客户信息。本文件说明这些信息的去向。")
            }
            (Lang::Zh, None) => {
                format!(
                    "{company}曾保存一位客户的信息，现已删除。本文件说明删除之前向他人提供过什么。"
                )
            }
        }
    }

    pub(super) fn report_intro(self, company: &str) -> String {
        match self {
            Lang::En => format!(
                "Below is every company that {company} gave some of them to, or allowed to receive \
                 them: which data, what for, and when."
            ),
            Lang::Zh => format!(
                "以下列出{company}提供过或允许其接收这些信息的每一家公司：提供了哪些信息、用途和时间。"
            ),
        }
    }

    pub(super) fn report_nobody(self, company: &str) -> String {
        match self {
            Lang::En => format!("{company} has given nobody any data about you."),
            Lang::Zh => format!("{company}没有向任何公司提供过您的信息。"),
        }
    }

    pub(super) fn report_way(
        self,
        way: Way,
        company: &str,
        name: &str,
        carriers: &str,
        first: &str,
        last: &str,
    ) -> String {
        match (self, way) {
            (Lang::En, Way::Sent | Way::Exported) => format!(
                "{company} sent the data below to {name}, for the first time on {first}, most \
                 recently on {last}."
            ),
            (Lang::Zh, Way::Sent | Way::Exported) => {
                format!("{company}向{name}发送了下列信息。首次：{first}；最近一次：{last}。")
            }
            (Lang::En, Way::Reported) => format!(
                "{name} holds the data below. With the permission of {company} it received them \
                 from another company on this list ({carriers}). {company} learned of it on {first}."
            ),
            (Lang::Zh, Way::Reported) => format!(
                "{name}持有下列信息。经{company}许可，由本清单中的另一家公司（{carriers}）转交。\
                 {company}于{first}得知。"
            ),
            (Lang::En, Way::Possible) => format!(
                "{name} may hold the data below. {company} did not send them itself but allowed \
                 {name} to have them, and {carriers}, who has them, may have handed them on. No \
                 confirmation has come yet."
            ),
            (Lang::Zh, Way::Possible) => format!(
                "{name}可能持有下列信息。{company}并未自行发送，但允许{name}接收；已持有这些信息的\
                 {carriers}可能已经转交。目前尚未收到确认。"
            ),
            (Lang::En, Way::NotYet) => {
                format!("{name} is allowed to have the data below. They have not been sent yet.")
            }
            (Lang::Zh, Way::NotYet) => {
                format!("{name}获准接收下列信息，但目前尚未发送。")
            }
        }
    }

    pub(super) fn report_purpose(self, purpose: &str) -> String {
        match self {
            Lang::En => format!("Purpose: {purpose}"),
            Lang::Zh => format!("用途：{purpose}"),
        }
    }

    pub(super) fn report_basis(self, basis: &str) -> String {
        match self {
            Lang::En => format!("Legal ground noted for this: {basis}"),
            Lang::Zh => format!("记录的合法依据：{basis}"),
        }
    }

    pub(super) fn report_via(self, company: &str, via: &str, name: &str) -> String {
        match self {
            Lang::En => {
                format!("{via}, a partner of {company}, asked that {name} may have them.")
            }
            Lang::Zh => format!("由{company}的合作伙伴{via}提出，经许可提供给{name}。"),
        }
    }

    pub(super) fn report_fields(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Lang::En, Kind::Customer) => "About you:",
            (Lang::En, Kind::Participation) => "About your part in an event:",
            (Lang::En, Kind::Interaction) => "About a contact with you:",
            (Lang::En, Kind::Followup) => "About what was agreed with you afterwards:",
            (Lang::En, Kind::Event) => "About an event:",
            (Lang::Zh, Kind::Customer) => "关于您本人：",
            (Lang::Zh, Kind::Participation) => "关于您参加的活动：",
            (Lang::Zh, Kind::Interaction) => "关于与您的联系：",
            (Lang::Zh, Kind::Followup) => "关于后续跟进：",
            (Lang::Zh, Kind::Event) => "关于活动：",
        }
    }

    pub(super) fn report_file(self, company: &str, format: &str, at: &str) -> String {
        match self {
            Lang::En => format!(
                "On {at}, {company} wrote data about you into a file ({format}). Who was given that \
                 file is not recorded here; please ask {company}."
            ),
            Lang::Zh => format!(
                "{at}，{company}将您的信息写入了一个文件（{format}）。该文件之后交给了谁，此处没有记录，\
                 请向{company}询问。"
            ),
        }
    }

    pub(super) fn report_rights(self, company: &str) -> String {
        match self {
            Lang::En => format!(
                "You may ask {company} to correct or to delete what it keeps about you, or take \
                 back your consent. The companies above are then told to do the same."
            ),
            Lang::Zh => format!(
                "您可以要求{company}更正或删除其保存的您的信息，也可以撤回同意。届时上述公司也会收到同样的要求。"
            ),
        }
    }

    pub(super) fn report_reference(self, customer: &str, at: &str) -> String {
        match self {
            Lang::En => format!("Please quote this reference: {customer}. Made on {at}."),
            Lang::Zh => format!("联系时请注明编号：{customer}。制作时间：{at}。"),
        }
    }

    pub(super) fn report_grant(self, grant: &str) -> String {
        match self {
            Lang::En => format!("Reference of the permission: {grant}"),
            Lang::Zh => format!("许可编号：{grant}"),
        }
    }
}
