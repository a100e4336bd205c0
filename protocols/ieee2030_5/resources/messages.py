"""What clients and servers say about resources: responses, subscriptions, notifications.

IEEE 2030.5-2018, function sets Response and Subscription/Notification.
"""

from protocols.ieee2030_5.resources.elements import (
    List,
    MRIDType,
    Resource,
    TimeType,
)
from protocols.ieee2030_5.scalars import (
    AnyUri,
    HexBinary160,
    Int48,
    String16,
    UInt8,
    UInt32,
)
from protocols.ieee2030_5.xml import Part, element


@element("createdDateTime endDeviceLFDI status subject")
class Response(Resource):
    """What became of an event at a device."""

    created_date_time: TimeType | None = None
    end_device_lfdi: HexBinary160
    status: UInt8 | None = None
    subject: MRIDType


@element("")
class DERControlResponse(Response):
    """What became of a DER control."""


@element("Response")
class ResponseList(List):
    """Responses of a set."""

    response: tuple[Response, ...] = ()


@element("attributeIdentifier lowerThreshold upperThreshold")
class Condition(Part):
    """When a subscriber wants to hear."""

    attribute_identifier: UInt8
    lower_threshold: Int48
    upper_threshold: Int48


@element("subscribedResource")
class SubscriptionBase(Resource):
    """Which resource it is about."""

    subscribed_resource: AnyUri


@element("Condition encoding level limit notificationURI")
class Subscription(SubscriptionBase):
    """A wish to be told of changes."""

    condition: Condition | None = None
    encoding: UInt8
    level: String16
    limit: UInt32
    notification_uri: AnyUri


@element("Subscription @pollRate")
class SubscriptionList(List):
    """Subscriptions of a device."""

    subscription: tuple[Subscription, ...] = ()
    poll_rate: UInt32 | None = None


@element("newResourceURI Resource status subscriptionURI")
class Notification(SubscriptionBase):
    """News of a subscribed resource; status 0 is a change, 1 to 4 the end."""

    new_resource_uri: AnyUri | None = None
    resource: Resource | None = None
    status: UInt8
    subscription_uri: AnyUri
