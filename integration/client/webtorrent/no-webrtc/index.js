export const RTCPeerConnection = undefined
export const RTCIceCandidate = undefined
export const RTCSessionDescription = undefined
export default {}
