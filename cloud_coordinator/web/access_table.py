"""The rows of the route table for log-in, persons and the audit trail."""

from typing import Final

from cloud_coordinator.access.permissions import Action
from cloud_coordinator.web import pages, sign_in
from cloud_coordinator.web.pages import LanguageQuery
from cloud_coordinator.web.paging import Page, PageQuery
from cloud_coordinator.web.problems import Kind
from cloud_coordinator.web.routing import JSON, Answer, AnyRoute, NoFields, Route

_SELF: Final = Answer(description="Who you are.", media={JSON: sign_in.SelfState})

ACCESS_ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        action=Action.LOG_IN,
        method="POST",
        path="/api/v1/session",
        name="logIn",
        summary="Open a session; its cookies come with the answer.",
        summary_ja="ログイン",
        handler=sign_in.log_in,
        query=NoFields,
        body=sign_in.LoginBody,
        answers={200: _SELF},
        problems=(Kind.UNAUTHENTICATED, Kind.CONFLICT, Kind.BUSY, Kind.STORE),
    ),
    Route(
        action=Action.VIEW_SELF,
        method="GET",
        path="/api/v1/session",
        name="showSelf",
        summary="Who you are here.",
        summary_ja="ログイン中の利用者",
        handler=sign_in.show_self,
        query=NoFields,
        body=NoFields,
        answers={200: _SELF},
    ),
    Route(
        action=Action.LOG_OUT,
        method="DELETE",
        path="/api/v1/session",
        name="logOut",
        summary="End the session.",
        summary_ja="ログアウト",
        handler=sign_in.log_out,
        query=NoFields,
        body=NoFields,
        answers={200: _SELF},
        problems=(Kind.CONFLICT,),
    ),
    Route(
        action=Action.CHANGE_PASSWORD,
        method="PUT",
        path="/api/v1/session/password",
        name="changePassword",
        summary="Set your password; all your sessions end.",
        summary_ja="パスワードの変更（全セッション終了）",
        handler=sign_in.change_password,
        query=NoFields,
        body=sign_in.PasswordBody,
        answers={200: _SELF},
        problems=(Kind.UNKNOWN, Kind.CONFLICT, Kind.BUSY),
    ),
    Route(
        action=Action.VIEW_USERS,
        method="GET",
        path="/api/v1/users",
        name="listUsers",
        summary="Persons, by name.",
        summary_ja="利用者一覧",
        handler=sign_in.list_users,
        query=PageQuery,
        body=NoFields,
        answers={
            200: Answer(description="A page of persons.", media={JSON: Page[sign_in.UserItem]})
        },
        problems=(Kind.CONFLICT, Kind.BUSY, Kind.STORE),
    ),
    Route(
        action=Action.CHANGE_USERS,
        method="POST",
        path="/api/v1/users",
        name="addUser",
        summary="Add a person. This machine may add the first administrator without a log-in.",
        summary_ja="利用者の追加（最初の管理者はこのPCから登録可）",
        handler=sign_in.add_user,
        query=NoFields,
        body=sign_in.UserBody,
        answers={201: Answer(description="Added.", media={JSON: sign_in.UserItem})},
        problems=(Kind.CONFLICT, Kind.BUSY),
    ),
    Route(
        action=Action.VIEW_AUDIT,
        method="GET",
        path="/api/v1/audit",
        name="listAudit",
        summary="The audit trail, oldest first.",
        summary_ja="監査ログ",
        handler=sign_in.list_audit,
        query=sign_in.AuditQuery,
        body=NoFields,
        answers={200: Answer(description="Entries.", media={JSON: sign_in.AuditPage})},
        problems=(Kind.CONFLICT, Kind.BUSY, Kind.STORE),
    ),
    Route(
        action=Action.VIEW_PUBLIC,
        method="GET",
        path="/login",
        name="showLogin",
        summary="The log-in page.",
        summary_ja="ログイン画面",
        handler=pages.show_login,
        query=LanguageQuery,
        body=NoFields,
        answers={200: Answer(description="A page.", media={"text/html": None})},
    ),
)
