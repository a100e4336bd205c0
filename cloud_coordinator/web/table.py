"""The route table: everything that is served, in one place.

The application and the OpenAPI document are both made from it.
"""

from collections.abc import Mapping
from typing import Final

from cloud_coordinator.access.permissions import Action
from cloud_coordinator.web import awards, control, evidence, live, memory, pages, reads
from cloud_coordinator.web.access_table import ACCESS_ROUTES
from cloud_coordinator.web.award_models import (
    AwardBody,
    CommandBody,
    CommandState,
    DeliveryQuery,
    DeliverySeconds,
    ObligationDetail,
    ObligationSummary,
    StatementState,
)
from cloud_coordinator.web.control_models import OptimizeBody, OptimizeResult
from cloud_coordinator.web.evidence_models import (
    CertificateDocument,
    CertificateQuery,
    ExplanationQuery,
    ExplanationState,
)
from cloud_coordinator.web.live_models import LiveMessage
from cloud_coordinator.web.memory import CharacteristicItem
from cloud_coordinator.web.models import (
    AccountItem,
    EventItem,
    EventsQuery,
    HealthState,
    LiveQuery,
    ResourceQuery,
    ResourceState,
    SiteDetail,
    SiteSummary,
)
from cloud_coordinator.web.pages import LanguageQuery
from cloud_coordinator.web.paging import Page, PageQuery
from cloud_coordinator.web.people_table import PEOPLE
from cloud_coordinator.web.problems import Kind
from cloud_coordinator.web.routing import JSON, Answer, AnyRoute, NoFields, Route

HTML: Final = "text/html"
_PAGE: Final[Mapping[int, Answer]] = {
    200: Answer(description="A page.", media={HTML: None}),
    401: Answer(description="The log-in page.", media={HTML: None}),
}
STORE_READ: Final = (Kind.STORE, Kind.BUSY)


def _ok(description: str, model: type, *, status: int = 200) -> Mapping[int, Answer]:
    return {status: Answer(description=description, media={JSON: model})}


_FLEET: Final[tuple[AnyRoute, ...]] = (
    Route(
        method="GET",
        path="/api/v1/sites",
        name="listSites",
        action=Action.VIEW_SITES,
        summary="Sites as last heard, by id.",
        summary_ja="サイト一覧（最新の受信値）",
        handler=reads.list_sites,
        query=PageQuery,
        body=NoFields,
        answers=_ok("A page of sites.", Page[SiteSummary]),
        problems=(Kind.STORE,),
    ),
    Route(
        method="GET",
        path="/api/v1/sites/{site_id}",
        name="showSite",
        action=Action.VIEW_SITES,
        summary="One site with its resources.",
        summary_ja="サイトの詳細とリソース",
        handler=reads.show_site,
        query=NoFields,
        body=NoFields,
        answers=_ok("The site.", SiteDetail),
        problems=(Kind.STORE,),
    ),
    Route(
        method="GET",
        path="/api/v1/resources",
        name="listResources",
        action=Action.VIEW_SITES,
        summary="Resources of all sites or of one, with their latest values.",
        summary_ja="リソース一覧（最新値）",
        handler=reads.list_resources,
        query=ResourceQuery,
        body=NoFields,
        answers=_ok("A page of resources.", Page[ResourceState]),
        problems=(Kind.UNKNOWN, Kind.STORE),
    ),
    Route(
        method="GET",
        path="/api/v1/fleet/characteristics",
        name="listCharacteristics",
        action=Action.VIEW_MEMORY,
        summary="Delay, gain, reliability, efficiency and wear as learned from awards.",
        summary_ja="学習した特性一覧（遅れ・応答率・信頼度・効率・劣化費用）",
        handler=memory.list_characteristics,
        query=ResourceQuery,
        body=NoFields,
        answers=_ok("A page of sites and resources.", Page[CharacteristicItem]),
        problems=STORE_READ,
    ),
)
_OBLIGATIONS: Final[tuple[AnyRoute, ...]] = (
    Route(
        method="GET",
        path="/api/v1/obligations",
        name="listObligations",
        action=Action.VIEW_AWARDS,
        summary="Awards, by start.",
        summary_ja="約定（供出義務）一覧",
        handler=awards.list_obligations,
        query=PageQuery,
        body=NoFields,
        answers=_ok("A page of awards.", Page[ObligationSummary]),
    ),
    Route(
        method="POST",
        path="/api/v1/obligations",
        name="postObligation",
        action=Action.PLACE_AWARD,
        summary="Take an award. The same award again changes nothing and answers 200.",
        summary_ja="約定の登録（同じ内容の再送は何も変えません）",
        handler=awards.post_obligation,
        query=NoFields,
        body=AwardBody,
        answers={
            **_ok("Taken.", ObligationDetail, status=201),
            **_ok("Known already.", ObligationDetail),
        },
        problems=(Kind.CONFLICT, Kind.STORE),
    ),
    Route(
        method="GET",
        path="/api/v1/obligations/{obligation_id}",
        name="showObligation",
        action=Action.VIEW_AWARDS,
        summary="One award with its sites' parts.",
        summary_ja="約定の詳細とサイト配分",
        handler=awards.show_obligation,
        query=NoFields,
        body=NoFields,
        answers=_ok("The award.", ObligationDetail),
    ),
    Route(
        method="POST",
        path="/api/v1/obligations/{obligation_id}/commands",
        name="postCommand",
        action=Action.COMMAND_AWARD,
        summary="Take a command of the system operator; it is in force until the next.",
        summary_ja="指令の登録（次の指令まで有効）",
        handler=awards.post_command,
        query=NoFields,
        body=CommandBody,
        answers={
            **_ok("In force.", CommandState, status=201),
            **_ok("Known, or older than the one in force.", CommandState),
        },
        problems=(Kind.CONFLICT, Kind.STORE),
    ),
    Route(
        method="GET",
        path="/api/v1/obligations/{obligation_id}/delivery",
        name="showDelivery",
        action=Action.VIEW_AWARDS,
        summary="Promised against delivered power per second and site, from the store.",
        summary_ja="指令と供出の毎秒の実績（保存データ）",
        handler=awards.show_delivery,
        query=DeliveryQuery,
        body=NoFields,
        answers={
            200: Answer(description="The seconds.", media={JSON: DeliverySeconds, "text/csv": None})
        },
        problems=STORE_READ,
    ),
    Route(
        method="GET",
        path="/api/v1/obligations/{obligation_id}/statement",
        name="showStatement",
        action=Action.VIEW_SETTLEMENT,
        summary="The settlement of an award by what the store holds now.",
        summary_ja="精算書（現在の保存データによる）",
        handler=awards.show_statement,
        query=NoFields,
        body=NoFields,
        answers=_ok("The statement.", StatementState),
        problems=STORE_READ,
    ),
    Route(
        method="GET",
        path="/api/v1/awards/{obligation_id}/certificate",
        name="showCertificate",
        action=Action.VIEW_AWARDS,
        summary="What an award's commitments hold against; `vpp certificate verify` checks it.",
        summary_ja="約定の証明書（どこまでの停止に耐えるか）",
        handler=evidence.show_certificate,
        query=CertificateQuery,
        body=NoFields,
        answers=_ok("The certificate.", CertificateDocument),
        problems=STORE_READ,
    ),
    Route(
        method="GET",
        path="/api/v1/sites/{site_id}/explanation",
        name="showExplanation",
        action=Action.VIEW_EVIDENCE,
        summary="A site's share of one second, recomputed from what is stored.",
        summary_ja="ある1秒のサイト配分の根拠（保存データから再計算）",
        handler=evidence.show_explanation,
        query=ExplanationQuery,
        body=NoFields,
        answers=_ok("The chain from command to delivery.", ExplanationState),
        problems=STORE_READ,
    ),
)
_CONTROL: Final[tuple[AnyRoute, ...]] = (
    Route(
        method="POST",
        path="/api/v1/control/optimize",
        name="optimizeControl",
        action=Action.PLAN_CONTROL,
        summary="Decide commands for a target time. Advice: it is recorded, nothing is sent.",
        summary_ja="リアルタイム制御最適化の実行（計画のみ。送信はしません）",
        handler=control.optimize,
        query=NoFields,
        body=OptimizeBody,
        answers=_ok("The plan, in pieces when it is long.", OptimizeResult),
        problems=(Kind.UNKNOWN, Kind.BUSY, Kind.STALE, Kind.LATE, Kind.STORE),
    ),
)
_RECORD: Final[tuple[AnyRoute, ...]] = (
    Route(
        method="GET",
        path="/api/v1/events",
        name="listEvents",
        action=Action.VIEW_EVENTS,
        summary="Events of sites and of the coordinator, newest first.",
        summary_ja="イベント一覧（新しい順）",
        handler=reads.list_events,
        query=EventsQuery,
        body=NoFields,
        answers=_ok("A page of events.", Page[EventItem]),
        problems=STORE_READ,
    ),
    Route(
        method="GET",
        path="/api/v1/telemetry/accounting",
        name="listAccounts",
        action=Action.VIEW_EVENTS,
        summary="What the store holds of each site's telemetry: counted, not estimated.",
        summary_ja="テレメトリの保存件数（欠測・重複）",
        handler=reads.list_accounts,
        query=PageQuery,
        body=NoFields,
        answers=_ok("A page of accounts.", Page[AccountItem]),
        problems=STORE_READ,
    ),
    Route(
        method="GET",
        path="/api/v1/live",
        name="watch",
        action=Action.VIEW_LIVE,
        summary="The present at 1 Hz as server-sent events named live, or one snapshot.",
        summary_ja="現在値（毎秒のイベントストリーム）",
        handler=live.watch,
        query=LiveQuery,
        body=NoFields,
        answers={
            200: Answer(
                description="The present.", media={"text/event-stream": None, JSON: LiveMessage}
            )
        },
        problems=STORE_READ,
        events=LiveMessage,
    ),
    Route(
        method="GET",
        path="/healthz",
        name="showHealth",
        action=Action.VIEW_PUBLIC,
        summary="What is up.",
        summary_ja="稼働状態",
        handler=reads.show_health,
        query=NoFields,
        body=NoFields,
        answers={
            **_ok("All is well.", HealthState),
            **_ok("Something is down.", HealthState, status=503),
        },
    ),
)
_PAGES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method="GET",
        path="/openapi.json",
        name="showDocument",
        action=Action.VIEW_PAGES,
        summary="This document.",
        summary_ja="このAPIのOpenAPI文書",
        handler=pages.show_document,
        query=NoFields,
        body=NoFields,
        answers={200: Answer(description="OpenAPI 3.1.", media={JSON: None})},
    ),
    Route(
        method="GET",
        path="/docs",
        name="showDocs",
        action=Action.VIEW_PAGES,
        summary="This document for people.",
        summary_ja="APIの説明ページ",
        handler=pages.show_docs,
        query=LanguageQuery,
        body=NoFields,
        answers=_PAGE,
    ),
    Route(
        method="GET",
        path="/",
        name="showPage",
        action=Action.VIEW_PAGES,
        summary="The live page.",
        summary_ja="監視画面",
        handler=pages.show_page,
        query=LanguageQuery,
        body=NoFields,
        answers=_PAGE,
    ),
    Route(
        method="GET",
        path="/assets/{name}",
        name="showAsset",
        action=Action.VIEW_PUBLIC,
        summary="A file of the pages.",
        summary_ja="画面のファイル",
        handler=pages.show_asset,
        query=NoFields,
        body=NoFields,
        answers={
            200: Answer(
                description="The file.",
                media={"text/javascript": None, "text/css": None, "image/svg+xml": None},
            )
        },
    ),
)

ROUTES: Final[tuple[AnyRoute, ...]] = (
    *_FLEET,
    *_OBLIGATIONS,
    *_CONTROL,
    *PEOPLE,
    *_RECORD,
    *ACCESS_ROUTES,
    *_PAGES,
)
