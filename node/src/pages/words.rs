//! What the pages say, in English and Chinese: one table, no sentences elsewhere; only
//! the document for a customer has its own.
//! Labels of fields are the vocabulary's.

use axum::http::{HeaderMap, header};
use entente_protocol::vocabulary::Field;

/// The cookie in which a browser keeps the language that somebody chose.
pub const LANGUAGE_COOKIE: &str = "entente_lang";

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl Lang {
    /// The language of a tag such as `zh-CN`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.trim().split('-').next()?.to_ascii_lowercase().as_str() {
            "zh" => Some(Lang::Zh),
            "en" => Some(Lang::En),
            _ => None,
        }
    }

    /// What a browser asks for: the language chosen before, else `Accept-Language` (RFC 9110).
    pub fn wanted(headers: &HeaderMap) -> Self {
        if let Some(lang) = super::door::cookie(headers, LANGUAGE_COOKIE).and_then(Self::from_tag) {
            return lang;
        }
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut best: Option<(f32, Lang)> = None;
        for part in accepted.unwrap_or_default().split(',') {
            let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse().ok());
            if let (Some(lang), Some(weight)) = (Self::from_tag(tag), weight)
                && weight > 0.0
                && best.is_none_or(|(other, _)| weight > other)
            {
                best = Some((weight, lang));
            }
        }
        best.map_or(Lang::En, |(_, lang)| lang)
    }

    /// Everything the pages say in it.
    pub fn words(self) -> &'static Words {
        match self {
            Lang::En => &EN,
            Lang::Zh => &ZH,
        }
    }

    /// What a form calls a field.
    pub fn label(self, field: &Field) -> &'static str {
        match self {
            Lang::En => field.label_en,
            Lang::Zh => field.label_zh,
        }
    }

    /// A word of a closed list, as people say it; an unknown one as it is.
    pub fn term(self, word: &str) -> &str {
        match TERMS.iter().find(|(key, ..)| *key == word) {
            Some((_, en, zh)) => match self {
                Lang::En => en,
                Lang::Zh => zh,
            },
            None => word,
        }
    }

    /// How many take part.
    pub fn people(self, count: usize) -> String {
        match (self, count) {
            (Lang::En, 0) => "nobody yet".into(),
            (Lang::Zh, 0) => "暂无参与者".into(),
            (Lang::En, 1) => "1 participant".into(),
            (Lang::En, _) => format!("{count} participants"),
            (Lang::Zh, _) => format!("{count} 位参与者"),
        }
    }

    /// How long ago something was.
    pub fn ago(self, seconds: u64) -> String {
        let (count, en, zh) = match seconds {
            0..60 => return self.words().just_now.to_owned(),
            60..3_600 => (seconds / 60, "min", "分钟"),
            3_600..172_800 => (seconds / 3_600, "h", "小时"),
            _ => (seconds / 86_400, "days", "天"),
        };
        match self {
            Lang::En => format!("{count} {en} ago"),
            Lang::Zh => format!("{count} {zh}前"),
        }
    }

    /// How many fields a company shows.
    pub fn fields_shared(self, shown: usize, all: usize) -> String {
        match self {
            Lang::En => format!("{shown} of {all} customer fields shared with you"),
            Lang::Zh => format!("已与您共享 {all} 个客户字段中的 {shown} 个"),
        }
    }

    /// Which rows of a long list are on this page.
    pub fn rows_of(self, from: usize, to: usize, all: usize) -> String {
        match self {
            Lang::En => format!("Rows {from}–{to} of {all}"),
            Lang::Zh => format!("第 {from}–{to} 行，共 {all} 行"),
        }
    }
}

/// Every phrase of the pages in one language.
#[derive(Debug)]
pub struct Words {
    pub lang: Lang,
    pub tag: &'static str,
    pub other_tag: &'static str,
    pub other_name: &'static str,
    pub tagline: &'static str,
    pub skip: &'static str,
    pub all_events: &'static str,
    pub events: &'static str,
    pub upcoming: &'static str,
    pub undated: &'static str,
    pub past: &'static str,
    pub no_events: &'static str,
    pub no_events_hint: &'static str,
    pub partners: &'static str,
    pub no_partners: &'static str,
    pub no_partners_hint: &'static str,
    pub connected: &'static str,
    pub offline: &'static str,
    pub in_step: &'static str,
    pub never_in_step: &'static str,
    pub unsent: &'static str,
    pub pending: &'static str,
    pub paused: &'static str,
    pub removed: &'static str,
    pub met_through: &'static str,
    pub unconfirmed: &'static str,
    pub just_now: &'static str,
    pub waiting: &'static str,
    pub then: &'static str,
    pub or: &'static str,
    pub deletions: &'static str,
    pub confirmed: &'static str,
    pub unconfirmed_yet: &'static str,
    pub erase_hint: &'static str,
    pub customer_id: &'static str,
    pub your_event: &'static str,
    pub from: &'static str,
    pub organised_by: &'static str,
    pub shared_as: &'static str,
    pub not_in_a_share: &'static str,
    pub untitled: &'static str,
    pub nothing_entered: &'static str,
    pub not_shared: &'static str,
    pub internal: &'static str,
    pub internal_hint: &'static str,
    pub two_values: &'static str,
    pub details: &'static str,
    pub key: &'static str,
    pub a_value: &'static str,
    pub roster: &'static str,
    pub roster_caption: &'static str,
    pub who_brought_whom: &'static str,
    pub count_from: &'static str,
    pub status_tally: &'static str,
    pub via: &'static str,
    pub you: &'static str,
    pub nobody: &'static str,
    pub nobody_hint: &'static str,
    pub hidden_fields: &'static str,
    pub previous: &'static str,
    pub next: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub read_only: &'static str,
    pub locked_title: &'static str,
    pub locked_text: &'static str,
    pub locked_again: &'static str,
    pub failed_title: &'static str,
    pub missing_title: &'static str,
    pub missing_text: &'static str,
}

static EN: Words = Words {
    lang: Lang::En,
    tag: "en",
    other_tag: "zh-CN",
    other_name: "中文",
    tagline: "events run together, customers kept",
    skip: "Skip to content",
    all_events: "All events",
    events: "Events",
    upcoming: "Coming up",
    undated: "No date yet",
    past: "Past",
    no_events: "No events yet.",
    no_events_hint: "Create one on the command line:",
    partners: "Partners",
    no_partners: "No partners yet.",
    no_partners_hint: "Invite one on the command line:",
    connected: "connected",
    offline: "not connected",
    in_step: "in step",
    never_in_step: "never in step so far",
    unsent: "waiting to be sent",
    pending: "waiting for approval",
    paused: "paused",
    removed: "no partner any more",
    met_through: "met through",
    unconfirmed: "code not compared",
    just_now: "just now",
    waiting: "Waits for you",
    then: "then",
    or: "or",
    deletions: "Deletions asked",
    confirmed: "confirmed",
    unconfirmed_yet: "not confirmed yet",
    erase_hint: "To have a customer forgotten here and at every partner:",
    customer_id: "CUSTOMER",
    your_event: "Yours",
    from: "From",
    organised_by: "Organised by",
    shared_as: "Share:",
    not_in_a_share: "not shared with anyone",
    untitled: "Untitled event",
    nothing_entered: "nothing entered",
    not_shared: "not shared with you",
    internal: "internal",
    internal_hint: "stays with you, cannot be shared",
    two_values: "changed at two places at once",
    details: "Details",
    key: "How to read this",
    a_value: "value",
    roster: "Roster",
    roster_caption: "Everyone who takes part, by the company that brought them",
    who_brought_whom: "Who brought whom",
    count_from: "from",
    status_tally: "How far they have come",
    via: "via",
    you: "you",
    nobody: "Nobody is on the list yet.",
    nobody_hint: "Add your customers or staff on the command line:",
    hidden_fields: "Not shared with you",
    previous: "Previous",
    next: "Next",
    yes: "yes",
    no: "no",
    read_only: "This page only shows. To change something, use the command line.",
    locked_title: "This page is locked",
    locked_text: "It opens only with the link of this node. Run this command on the machine where the node runs, and open the link that it prints:",
    locked_again: "I have just opened the link – show the page",
    failed_title: "This could not be shown",
    missing_title: "Not found",
    missing_text: "There is no such event here, or it is no longer shared with you.",
};

static ZH: Words = Words {
    lang: Lang::Zh,
    tag: "zh-CN",
    other_tag: "en",
    other_name: "English",
    tagline: "活动共同办，客户仍归各家",
    skip: "跳到正文",
    all_events: "全部活动",
    events: "活动",
    upcoming: "即将举行",
    undated: "日期待定",
    past: "已结束",
    no_events: "还没有活动。",
    no_events_hint: "请在命令行中创建：",
    partners: "合作伙伴",
    no_partners: "还没有合作伙伴。",
    no_partners_hint: "请在命令行中邀请：",
    connected: "已连接",
    offline: "未连接",
    in_step: "已同步",
    never_in_step: "尚未同步过",
    unsent: "项待发送",
    pending: "等待批准",
    paused: "已暂停",
    removed: "已解除合作",
    met_through: "引荐方：",
    unconfirmed: "验证码尚未核对",
    just_now: "刚刚",
    waiting: "待您处理",
    then: "然后",
    or: "或者",
    deletions: "要求删除的内容",
    confirmed: "项已确认删除",
    unconfirmed_yet: "项尚未确认",
    erase_hint: "要在本公司和所有合作伙伴处抹除一位客户：",
    customer_id: "客户编号",
    your_event: "本公司",
    from: "来自",
    organised_by: "主办方：",
    shared_as: "共享：",
    not_in_a_share: "未与任何人共享",
    untitled: "未命名活动",
    nothing_entered: "未填写",
    not_shared: "未与您共享",
    internal: "内部",
    internal_hint: "仅供本公司，不可共享",
    two_values: "两处同时修改",
    details: "活动信息",
    key: "图例",
    a_value: "内容",
    roster: "参与名单",
    roster_caption: "全部参与者，按提供方公司分组",
    who_brought_whom: "各方提供的人数",
    count_from: "位来自",
    status_tally: "各状态人数",
    via: "经由",
    you: "本公司",
    nobody: "名单上还没有人。",
    nobody_hint: "请在命令行中添加客户或工作人员：",
    hidden_fields: "未与您共享",
    previous: "上一页",
    next: "下一页",
    yes: "是",
    no: "否",
    read_only: "本页面仅供查看。如需修改，请使用命令行。",
    locked_title: "此页面已锁定",
    locked_text: "需要使用本节点的链接才能打开。请在运行节点的电脑上执行以下命令，并打开它输出的链接：",
    locked_again: "我刚刚打开过链接，显示页面",
    failed_title: "无法显示",
    missing_title: "未找到",
    missing_text: "这里没有该活动，或者它已不再与您共享。",
};

/// The words of the vocabulary's closed lists.
static TERMS: &[(&str, &str, &str)] = &[
    ("launch", "Launch", "发布会"),
    ("conference", "Conference", "大会"),
    ("seminar", "Seminar", "研讨会"),
    ("webinar", "Webinar", "线上研讨会"),
    ("trade_show", "Trade show", "展会"),
    ("meal", "Meal", "餐叙"),
    ("other", "Other", "其他"),
    ("draft", "Draft", "草稿"),
    ("planned", "Planned", "筹备中"),
    ("open", "Open", "报名中"),
    ("closed", "Closed", "报名截止"),
    ("done", "Done", "已完成"),
    ("cancelled", "Cancelled", "已取消"),
    ("attendee", "Attendee", "嘉宾"),
    ("speaker", "Speaker", "演讲者"),
    ("host", "Host", "主持"),
    ("vip", "VIP", "贵宾"),
    ("staff", "Staff", "工作人员"),
    ("sponsor", "Sponsor", "赞助方"),
    ("proposed", "Proposed", "已推荐"),
    ("invited", "Invited", "已邀请"),
    ("registered", "Registered", "已报名"),
    ("confirmed", "Confirmed", "已确认"),
    ("waitlisted", "Waitlisted", "候补"),
    ("checked_in", "Checked in", "已签到"),
    ("attended", "Attended", "已参加"),
    ("no_show", "No-show", "未到场"),
    ("declined", "Declined", "已婉拒"),
];

#[cfg(test)]
mod tests {
    use entente_protocol::vocabulary::{FieldType, Kind, fields};

    use super::*;

    fn headers(accept: &str, cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, accept.parse().unwrap());
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn the_language_is_the_chosen_one_or_the_one_the_browser_likes_best() {
        for (accept, cookie, lang) in [
            ("", "", Lang::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", "", Lang::Zh),
            ("en-GB,en;q=0.9,zh;q=0.8", "", Lang::En),
            ("en;q=0.3, zh-Hant;q=0.4", "", Lang::Zh),
            ("fr, de;q=0.9, zh;q=0.1", "", Lang::Zh),
            ("zh;q=0", "", Lang::En),
            ("zh;q=nonsense", "", Lang::En),
            ("fr", "", Lang::En),
            ("zh", "a=b; entente_lang=en", Lang::En),
            ("en", "entente_lang=zh-CN; a=b", Lang::Zh),
            ("zh", "entente_lang=tlh", Lang::Zh),
        ] {
            assert_eq!(Lang::wanted(&headers(accept, cookie)), lang, "{accept} {cookie}");
        }
    }

    #[test]
    fn every_word_of_a_closed_list_on_a_page_is_said_in_both_languages() {
        for kind in [Kind::Event, Kind::Participation] {
            for field in fields(kind) {
                let FieldType::Enum(words) = field.ty else { continue };
                for word in words {
                    let found = TERMS.iter().filter(|(key, ..)| key == word).count();
                    assert_eq!(found, 1, "{kind}.{}: {word}", field.name);
                }
            }
        }
    }

    #[test]
    fn the_pages_say_none_of_the_inner_words() {
        let inner =
            ["compartment", "facet", "bundle", "leaf", "epoch", "admission", "replica", "parked"];
        let all = format!("{EN:?}{ZH:?}").to_lowercase();
        assert_eq!(inner.iter().find(|word| all.contains(**word)), None);
    }

    #[test]
    fn a_short_while_is_told_in_the_unit_people_use() {
        for (seconds, en, zh) in [
            (5, "just now", "刚刚"),
            (125, "2 min ago", "2 分钟前"),
            (7_300, "2 h ago", "2 小时前"),
            (700_000, "8 days ago", "8 天前"),
        ] {
            assert_eq!((Lang::En.ago(seconds), Lang::Zh.ago(seconds)), (en.into(), zh.into()));
        }
    }
}
