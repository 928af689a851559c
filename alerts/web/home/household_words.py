"""Household words: the consent that people give, and why a face could not be learnt."""

from __future__ import annotations

from typing import Final

from alerts.web.base.words import Words

CONSENT_VERSION: Final = "2026-11"
"""Stored with each consent; another text below is another version (a test holds them together)."""
CONSENT: Final = (
    Words(
        "仅用于这个家自己的摄像机：认出家里人，就不作陌生人告警。",
        "Only for this home's own cameras: who lives here raises no stranger alarm.",
    ),
    Words(
        "照片只传给家里的设备，提取特征后立即丢弃；中心不保存照片，也不保存人脸特征。",
        "The photo goes to the device of this home only and is dropped once its features are taken;"
        " the centre keeps neither photo nor features.",
    ),
    Words(
        "特征加密保存在家里的设备上，不上传，不给公安、网格或任何第三方，不作其他用途。",
        "The features stay encrypted on that device; nobody else gets them, for any purpose.",
    ),
    Words(
        "不同意也没有关系：摄像机照常使用，只是会把您当作来人告警。",
        "You may say no: the camera works all the same and reports you like any visitor.",
    ),
    Words(
        "可以随时删除，立即生效；满一年不续签自动失效并删除。",
        "You can withdraw at any time, with effect at once; after a year it ends by itself.",
    ),
    Words(
        "未满 14 周岁的孩子，由监护人同意。",
        "For a child under 14 a guardian consents.",
    ),
)

REFUSALS: Final = {
    "no_picture": Words("照片没有传到设备，请再试一次", "It did not reach the device; retry"),
    "no_face": Words("照片里没有找到人脸，请正对镜头再拍一张", "No face found; face the camera"),
    "many_faces": Words(
        "照片里不止一张脸，请单独拍一个人", "There is more than one face; one person alone, please"
    ),
    "too_small": Words("人脸太小，请靠近一些再拍", "The face is too small; come nearer"),
    "turned": Words("脸侧得太多，请正对镜头", "The face is turned away; look into the camera"),
    "blurred": Words("照片模糊，请拿稳了再拍", "The photo is blurred; hold the phone still"),
    "bad_light": Words("太暗或太亮，请换个光线好的地方", "Too dark or bright; find better light"),
    "not_household": Words(
        "设备还没有开通“家人识别”，请联系安装员下发配置",
        "The device does not recognise households yet; ask the installer to roll it out",
    ),
    "no_model": Words(
        "设备上没有人脸识别模型，请联系安装员（menshen models verify）",
        "The device lacks the model for faces; ask the installer (menshen models verify)",
    ),
    "not_stored": Words("设备存不下（磁盘满？），没有登记", "The device could not store it"),
    "busy": Words("设备正在登记另一个人，请稍等再试", "The device is busy with somebody; try soon"),
    "offline": Words("家里的设备现在离线，请稍后再试", "The device is offline now; try later"),
    "silent": Words("设备没有回答，没有登记，请稍后再试", "The device did not answer; try later"),
    "no_label": Words("请填写称呼（最多 20 个字）", "Give a name of at most 20 characters"),
    "no_consent": Words("要本人看过说明并同意，才能登记", "They must read this and agree first"),
    "no_guardian": Words("请填写同意的监护人姓名", "Give the name of the guardian who agrees"),
    "no_camera": Words("请选择摄像机", "Choose a camera"),
    "no_photo": Words("请拍一张或选一张照片", "Take or choose a photo"),
    "home_full": Words("最多登记 12 位家人", "A home enrols at most 12 people"),
    "withdrawn": Words("登记途中已被删除", "It was withdrawn meanwhile"),
}
"""By :data:`config.household.EnrolCode`, and by what the page itself refuses."""
