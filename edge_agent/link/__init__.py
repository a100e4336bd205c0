"""The gateway's end of the link: outbox and inbox over MQTT."""
