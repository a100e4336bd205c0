"""What a charger is set to, in the words of both versions."""

from protocols.ocpp.settings import read_words, settings_of, taken, told_values, write_words
from protocols.ocpp.states import VERSION_16, VERSION_201


def test_settings_of_the_older_version() -> None:
    """If it fails, a charger measures once a minute and we call it lost."""
    wanted = settings_of(VERSION_16, measurands=["SoC"], sample_s=1, aligned_s=None)
    assert [(one.name, one.value) for one in wanted] == [
        ("MeterValueSampleInterval", "1"),
        ("MeterValuesSampledData", "SoC"),
    ]
    action, words = read_words(VERSION_16, wanted)
    assert (action, words) == (
        "GetConfiguration",
        {"key": ["MeterValueSampleInterval", "MeterValuesSampledData"]},
    )
    answer = {
        "configuration_key": [
            {"key": "MeterValueSampleInterval", "readonly": False, "value": "60"},
            {"key": "MeterValuesSampledData", "readonly": True, "value": "SoC"},
        ]
    }
    told = told_values(VERSION_16, wanted, answer)
    assert told == {wanted[0]: "60"}, "what is read only is left alone"
    assert write_words(VERSION_16, wanted[0]) == (
        "ChangeConfiguration",
        {"key": "MeterValueSampleInterval", "value": "1"},
    )
    assert taken(VERSION_16, {"status": "Accepted"})
    assert not taken(VERSION_16, {"status": "RebootRequired"})


def test_settings_of_the_newer_version() -> None:
    """If it fails, a charger of 2.0.1 is asked for keys it does not have."""
    wanted = settings_of(VERSION_201, measurands=["SoC"], sample_s=None, aligned_s=2)
    assert [one.name for one in wanted] == [
        "AlignedDataCtrlr.Interval",
        "AlignedDataCtrlr.Measurands",
    ]
    action, words = read_words(VERSION_201, wanted)
    assert action == "GetVariables"
    place = {"component": {"name": "AlignedDataCtrlr"}, "variable": {"name": "Interval"}}
    answer = {
        "get_variable_result": [
            {**place, "attribute_status": "Accepted", "attribute_value": "900"},
            {"attribute_status": "UnknownVariable"},
        ]
    }
    assert told_values(VERSION_201, wanted, answer) == {wanted[0]: "900"}
    action, words = write_words(VERSION_201, wanted[0])
    assert words == {"set_variable_data": [{**place, "attribute_value": "2"}]}
    assert not taken(VERSION_201, {"set_variable_result": []})
